//! The scanner as a whole, by tables and against `serde_json`.

mod generated;

use super::*;

/// Writes down everything that is reported.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
pub(super) struct Log(Vec<String>);

impl Visitor for Log {
    fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool {
        self.0.push(format!("{at} {depth} {token:?}"));
        true
    }

    fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        self.0.push(
            format!("{end} {depth} end {token:?} {text}")
                .trim_end()
                .to_owned(),
        );
    }
}

/// Scans `pieces` one after the other.
pub(super) fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Log, JsonError> {
    let mut scanner = Scanner::new(Log::default());
    for piece in pieces {
        scanner.feed(piece)?;
    }
    scanner.finish()
}

/// The outcome of the whole must be that of any two and of single-byte pieces.
fn scan_all_ways(text: &[u8]) -> Result<Log, JsonError> {
    let whole = scan([text]);
    for cut in 0..=text.len() {
        let (first, second) = text.split_at(cut);
        assert_eq!(
            scan([first, second]),
            whole,
            "cut at {cut} of {:?}",
            String::from_utf8_lossy(text)
        );
    }
    assert_eq!(
        scan(text.chunks(1)),
        whole,
        "in single bytes: {:?}",
        String::from_utf8_lossy(text)
    );
    whole
}

#[test]
fn tokens_are_told_with_their_places() {
    let log = scan_all_ways(br#" {"a\n": [1, -2.5e3, "x"], "b": {"c": null}, "d":true} "#).unwrap();
    let expected = [
        "1 0 Object",
        "2 1 Key",
        r"7 1 end Key a\n",
        "9 1 Array",
        "10 2 Number",
        "11 2 end Number 1",
        "13 2 Number",
        "19 2 end Number -2.5e3",
        "21 2 String",
        "24 2 end String x",
        "25 1 end Array",
        "27 1 Key",
        "30 1 end Key b",
        "32 1 Object",
        "33 2 Key",
        "36 2 end Key c",
        "38 2 Null",
        "42 2 end Null null",
        "43 1 end Object",
        "45 1 Key",
        "48 1 end Key d",
        "49 1 True",
        "53 1 end True true",
        "54 0 end Object",
    ];
    assert_eq!(log.0, expected);
}

#[test]
fn well_formed_texts_are_accepted() {
    let long = format!(
        "\"{}\"",
        "plain text that is longer than any block, ".repeat(9)
    );
    let nested = format!("{}{}", "[".repeat(128), "]".repeat(128));
    let accepted = [
        "0",
        "-0",
        "1",
        "12",
        "-1.0",
        "1e400",
        "1E-400",
        "1e+0",
        "0.10",
        "123456789012345678901234567890",
        "null",
        "true",
        "false",
        "\"\"",
        "[]",
        "{}",
        " \t\r\n[ ]\n",
        "\u{feff}[]",
        "\u{feff} 1 ",
        "[[],{}]",
        r#"{"":{"":[]}}"#,
        r#"{"a":1,"a":2}"#,
        r#""\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00""#,
        r#""\ud800""#,
        r#""\udc00\u0000""#,
        "\"é中😀\u{7f}\u{2028}\"",
        "\"123456\\n\"",
        "\"1234567\\n\"",
        "\"éééééééé\\n中\"",
        &long,
        &nested,
    ];
    for text in accepted {
        assert!(
            scan_all_ways(text.as_bytes()).is_ok(),
            "{text}: {:?}",
            scan([text.as_bytes()])
        );
    }
}

#[test]
fn long_strings_may_be_cut_anywhere() {
    let stretches = [
        "a",
        "é",
        "中",
        "😀",
        "abc中",
        "line of text\\n",
        "\\u4f60",
        "é\\\"",
        "a".repeat(62).as_str(),
        "中\\\\",
    ]
    .map(str::to_owned);
    for stretch in stretches {
        for front in ["", "x", "xyz"] {
            let text = format!("[\"{front}{}\"]", stretch.repeat(330 / stretch.len()));
            let log = scan_all_ways(text.as_bytes()).unwrap();
            assert!(log.0.contains(&format!(
                "{} 1 end String {}",
                text.len() - 1,
                &text[2..text.len() - 2]
            )));
        }
    }
}

#[test]
fn faults_in_long_strings_are_found_where_they_are() {
    use JsonErrorKind as Kind;
    let faults = [
        (&b"\xff"[..], Kind::Utf8, 0),
        (b"\xc3(", Kind::Utf8, 0),
        (b"\xe4\xb8z", Kind::Utf8, 0),
        (b"\xe4\xb8\\n", Kind::Utf8, 0),
        (b"\xed\xa0\x80", Kind::Utf8, 0),
        (b"\n", Kind::Control, 0),
        (b"\\x", Kind::Escape, 1),
        (b"\\u12z", Kind::Escape, 4),
    ];
    for (fault, kind, offset) in faults {
        for filling in ["a", "é", "中"] {
            for length in [0, 1, 59, 63, 64, 65, 127, 128, 200, 300] {
                let front = format!("\"{}", filling.repeat(length));
                let rest = format!("{}\"", filling.repeat(90));
                let text = [front.as_bytes(), fault, rest.as_bytes()].concat();
                let expected = kind.at(front.len() + offset);
                assert_eq!(
                    scan([&text[..]]),
                    Err(expected),
                    "{length} {filling} {fault:?}"
                );
                assert_eq!(scan(text.chunks(1)), Err(expected));
                assert_eq!(scan(text.chunks(50)), Err(expected));
            }
        }
    }
}

#[test]
fn malformed_texts_are_refused_with_the_place() {
    use JsonErrorKind as Kind;
    let check = |text: &[u8], kind: JsonErrorKind, at: usize| {
        let outcome = scan_all_ways(text);
        assert_eq!(
            outcome,
            Err(kind.at(at)),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    };
    check(b"", Kind::Empty, 0);
    check(b" \n", Kind::Empty, 2);
    check(b"\xef\xbb\xbf", Kind::Empty, 3);
    check(b"\xef\xbb", Kind::UnexpectedEnd, 2);
    check(b"\xef\xbb1", Kind::Unexpected, 2);
    check(b"\xef\xbc\x81", Kind::Unexpected, 1);
    check(b"[\xef\xbb\xbf]", Kind::Unexpected, 1);
    check("\u{feff}\u{feff}1".as_bytes(), Kind::Unexpected, 3);
    for text in [
        "{",
        "[",
        "\"",
        "\"a",
        "\"\\",
        "\"\\u12",
        "-",
        "1.",
        "1e",
        "1e+",
        "tru",
        "[1",
        "[1,",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "[{}",
    ] {
        check(text.as_bytes(), Kind::UnexpectedEnd, text.len());
    }
    check(b"\"\xc3", Kind::UnexpectedEnd, 2);
    check(b"]", Kind::Unexpected, 0);
    check(b"[}", Kind::Unexpected, 1);
    check(b"{]", Kind::Unexpected, 1);
    check(b"[1}", Kind::Unexpected, 2);
    check(b"{\"a\":1]", Kind::Unexpected, 6);
    check(b"[,]", Kind::Unexpected, 1);
    check(b"[1,]", Kind::Unexpected, 3);
    check(b"[1 2]", Kind::Unexpected, 3);
    check(b"[1:2]", Kind::Unexpected, 2);
    check(b"{,}", Kind::Unexpected, 1);
    check(b"{1:2}", Kind::Unexpected, 1);
    check(b"{null:2}", Kind::Unexpected, 1);
    check(b"{\"a\" 1}", Kind::Unexpected, 5);
    check(b"{\"a\",1}", Kind::Unexpected, 4);
    check(b"{\"a\":}", Kind::Unexpected, 5);
    check(b"{\"a\":1,}", Kind::Unexpected, 7);
    check(b"{\"a\":1 \"b\":2}", Kind::Unexpected, 7);
    check(b"{\"a\"::1}", Kind::Unexpected, 5);
    check(b"{'a':1}", Kind::Unexpected, 1);
    check(b"/**/1", Kind::Unexpected, 0);
    check(b"\x0b1", Kind::Unexpected, 0);
    check(b"+1", Kind::Unexpected, 0);
    check(b".5", Kind::Unexpected, 0);
    check(b"NaN", Kind::Unexpected, 0);
    check(b"[01]", Kind::Unexpected, 2);
    check(b"[-]", Kind::Number, 2);
    check(b"[-a]", Kind::Number, 2);
    check(b"[1.]", Kind::Number, 3);
    check(b"[1.e1]", Kind::Number, 3);
    check(b"[1e]", Kind::Number, 3);
    check(b"[1e+]", Kind::Number, 4);
    check(b"[1.2.3]", Kind::Unexpected, 4);
    check(b"[1e1e1]", Kind::Unexpected, 4);
    check(b"[0x1]", Kind::Unexpected, 2);
    check(b"1 2", Kind::Trailing, 2);
    check(b"{}}", Kind::Trailing, 2);
    check(b"{},", Kind::Trailing, 2);
    check(b"null\0", Kind::Trailing, 4);
    check(b"nulL", Kind::Literal, 3);
    check(b"[truE]", Kind::Literal, 4);
    check(b"[fals]", Kind::Literal, 5);
    check(br#""\x""#, Kind::Escape, 2);
    check(br#""\u12g4""#, Kind::Escape, 5);
    check(br#""\U0041""#, Kind::Escape, 2);
    check(b"\"\\u123\"", Kind::Escape, 6);
    check(b"\"a\nb\"", Kind::Control, 2);
    check(b"\"a\0b\"", Kind::Control, 2);
    check(b"{\"a\tb\":1}", Kind::Control, 3);
    check(b"\"a\xff\"", Kind::Utf8, 2);
    check(b"\"\xc3\"", Kind::Utf8, 1);
    check(b"\"a\xe4\xb8\"", Kind::Utf8, 2);
    check(b"\"a\xe4\xb8\n\"", Kind::Utf8, 2);
    check(b"\"a\xe4\xb8\\n\"", Kind::Utf8, 2);
    check(b"\"a\xe4\xb8\\x\"", Kind::Utf8, 2);
    check(b"\"\xc0\x80\"", Kind::Utf8, 1);
    check(b"\"\xed\xa0\x80\"", Kind::Utf8, 1);
    check(b"\"\xf4\x90\x80\x80\"", Kind::Utf8, 1);
    check(b"\"\xc3\xa9\xc3(\xff\"", Kind::Utf8, 3);
    check(b"{\"\x80\":1}", Kind::Utf8, 2);
    check(b"[\xc3\xa9]", Kind::Unexpected, 1);
    check(b"[\xff]", Kind::Unexpected, 1);
}

#[test]
fn nesting_ends_at_128_levels() {
    let brackets = "[".repeat(129);
    assert_eq!(
        scan_all_ways(brackets.as_bytes()),
        Err(JsonErrorKind::Depth.at(128))
    );
    let braces = r#"{"a":"#.repeat(129);
    assert_eq!(
        scan_all_ways(braces.as_bytes()),
        Err(JsonErrorKind::Depth.at(128 * 5))
    );
    let wide = format!("[{}1]", "[[]],".repeat(500));
    assert!(scan([wide.as_bytes()]).is_ok());
}

#[test]
fn after_an_error_every_call_says_the_same() {
    let mut scanner = Scanner::new(Log::default());
    scanner.feed(b"[1,").unwrap();
    let error = scanner.feed(b"]").unwrap_err();
    assert_eq!(error, JsonErrorKind::Unexpected.at(3));
    assert_eq!(scanner.feed(b"1]"), Err(error));
    assert_eq!(scanner.feed(b"}"), Err(error));
    assert_eq!(scanner.finish(), Err(error));
}

#[test]
fn errors_are_lower_case_sentences_with_their_place() {
    let check = |text: &[u8], expected: &str| {
        assert_eq!(scan([text]).unwrap_err().to_string(), expected);
    };
    check(b"", "no value at byte 0");
    check(b"[1", "unexpected end at byte 2");
    check(b"[1}", "unexpected byte at byte 2");
    check(b"\"\xff\"", "invalid UTF-8 at byte 1");
    check(
        &b"[".repeat(200),
        "nesting deeper than 128 levels at byte 128",
    );
}

#[test]
fn members_are_found_at_the_top_only() {
    let check = |doc: &str, expected: [Option<&str>; 2]| {
        let found = members(doc.as_bytes(), &["usage", "choices"]).unwrap();
        assert_eq!(found.map(|at| at.map(|at| &doc[at])), expected, "{doc}");
    };
    check("{}", [None, None]);
    check(r#"{"usage":null}"#, [Some("null"), None]);
    check(
        r#" {"choices" : [ {"usage":1} ] , "usage":{"choices":2}} "#,
        [Some(r#"{"choices":2}"#), Some(r#"[ {"usage":1} ]"#)],
    );
    check(
        r#"{"usage":1,"x":{"usage":3},"usage":2}"#,
        [Some("2"), None],
    );
    check(
        r#"{"us\u0061ge":"x","Usage":0,"choices ":0}"#,
        [Some("\"x\""), None],
    );
    check("\u{feff}{\"usage\":-1.50}", [Some("-1.50"), None]);
}

#[test]
fn members_want_a_valid_object() {
    let check = |doc: &str, kind: JsonErrorKind, at: usize| {
        assert_eq!(members(doc.as_bytes(), &["a"]), Err(kind.at(at)), "{doc}");
    };
    check("", JsonErrorKind::Empty, 0);
    check(" [1]", JsonErrorKind::NotObject, 1);
    check("null", JsonErrorKind::NotObject, 0);
    check("\"a\"", JsonErrorKind::NotObject, 0);
    check("[1", JsonErrorKind::UnexpectedEnd, 2);
    check(r#"{"a":1}x"#, JsonErrorKind::Trailing, 7);
    check(r#"{"a":1,"b":[}"#, JsonErrorKind::Unexpected, 12);
}
