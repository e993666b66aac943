//! The reader against the rules of the format, and against itself over every cut.

use proptest::prelude::*;

use super::*;

/// Name and data of each event, and whether it could be passed on as it is.
type Read = Vec<(String, String, bool)>;

fn read(chunks: &[&[u8]]) -> Read {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        reader.feed(Bytes::copy_from_slice(chunk));
        while let Some(event) = reader.next().unwrap() {
            events.push(owned(&event));
        }
    }
    events.extend(reader.finish().unwrap().map(|event| owned(&event)));
    events
}

fn owned(event: &Event<'_>) -> (String, String, bool) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some((chunk, at)) = &event.plain {
        let whole = [b"data: ", event.data, b"\n\n"].concat();
        assert_eq!(chunk[at.clone()], whole);
    }
    (text(event.name), text(event.data), event.plain.is_some())
}

fn data(chunks: &[&[u8]]) -> Vec<String> {
    read(chunks).into_iter().map(|(_, data, _)| data).collect()
}

#[test]
fn events_are_read_by_the_rules() {
    let check =
        |text: &str, expected: &[&str]| assert_eq!(data(&[text.as_bytes()]), expected, "{text:?}");
    check("data: 1\n\ndata: 2\n\n", &["1", "2"]);
    check("data: 1\r\n\r\ndata: 2\r\n\r\n", &["1", "2"]);
    check("data: 1\r\rdata: 2\r\r", &["1", "2"]);
    check("data: 1\n\r\ndata: 2\r\n\rdata: 3\r\n\n", &["1", "2", "3"]);
    check("data:1\n\ndata:  2\n\n", &["1", " 2"]);
    check("data: a\ndata: b\n\n", &["a\nb"]);
    check("data: a\n: comment\ndata: b\n\n", &["a\nb"]);
    check("id: 7\nretry: 10\nevent: x\ndata: 1\nother: y\n\n", &["1"]);
    check(": keep-alive\n\n: again\ndata: 1\n\n", &["1"]);
    check("event: ping\n\nid: 1\n\ndata\n\ndata:\n\ndata: \n\n", &[]);
    check("data\ndata: x\n\n", &["\nx"]);
    check("\u{feff}data: 1\n\n", &["1"]);
    check("database: 1\ndatax\n\n", &[]);
    check("data: 1", &["1"]);
    check("data: 1\n", &["1"]);
    check("data: 1\n\ndata: 2", &["1", "2"]);
    check("data: a:b: c\n\n", &["a:b: c"]);
    check("", &[]);
}

#[test]
fn the_name_belongs_to_its_event_alone() {
    let events = read(&[b"event: error\ndata: 1\n\ndata: 2\n\nevent: lost\n\ndata: 3\n\n"]);
    let names: Vec<_> = events.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["error", "", ""]);
}

#[test]
fn only_events_that_stand_as_they_should_are_plain() {
    let check = |text: &[u8], expected: bool| {
        assert_eq!(
            read(&[text])[0].2,
            expected,
            "{:?}",
            String::from_utf8_lossy(text)
        );
    };
    check(b"data: 1\n\n", true);
    check(b": comment\ndata: 1\n\n", true);
    check(b"data:1\n\n", false);
    check(b"data: 1\r\n\r\n", false);
    check(b"data: 1\n\r\n", false);
    check(b"data: 1\n: comment\n\n", false);
    check(b"data: 1\ndata: 2\n\n", false);
    check(b"data: 1\n", false);
    assert!(!read(&[b"data: ", b"1\n\n"])[0].2);
    assert!(!read(&[b"data: 1\n", b"\n"])[0].2);
    assert!(read(&[b"x", b"\ndata: 1\n\n"])[0].2);
}

#[test]
fn an_event_of_sixteen_mebibytes_is_taken_and_one_byte_more_is_not() {
    let read = |bytes: usize, chunk: usize, tail: &'static [u8]| {
        let mut reader = Reader::default();
        let mut longest = 0;
        let text = [b"data: ", vec![b'x'; bytes].as_slice(), tail].concat();
        for chunk in text.chunks(chunk) {
            reader.feed(Bytes::copy_from_slice(chunk));
            while let Some(event) = reader.next()? {
                longest = longest.max(event.data.len());
            }
        }
        Ok::<_, TooLong>(longest)
    };
    let line = MOST_BYTES - 6;
    assert_eq!(read(line, 64 * 1024, b"\n\n"), Ok(line));
    assert_eq!(read(MOST_BYTES, usize::MAX, b"\n\n"), Ok(MOST_BYTES));
    assert_eq!(read(MOST_BYTES + 1, usize::MAX, b"\n\n"), Err(TooLong));
    assert_eq!(read(MOST_BYTES + 1, 64 * 1024, b""), Err(TooLong));
}

#[test]
fn many_lines_of_data_are_bounded_together() {
    let mut reader = Reader::default();
    let line = Bytes::from([b"data: ", vec![b'x'; 1024 * 1024].as_slice(), b"\n"].concat());
    let mut feed = || {
        reader.feed(line.clone());
        reader.next().map(|event| event.is_some())
    };
    assert!((0..15).all(|_| feed() == Ok(false)));
    assert_eq!(feed(), Err(TooLong));
}

fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "data: ?[a-z é😀:]{0,6}",
        "data",
        "event: ?[a-z]{0,3}",
        "(id|retry): 1",
        ": [a-z]{0,4}",
        "",
        "",
    ];
    let ended = (line, prop_oneof!["\n", "\r\n", "\r"]).prop_map(|(line, end)| line + &end);
    proptest::collection::vec(ended, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn however_the_bytes_are_cut_the_events_are_the_same(
        text in lines(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = text.as_bytes();
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let chunks: Vec<_> = places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        let without_place = |read: Read| read.into_iter().map(|(name, data, _)| (name, data)).collect::<Vec<_>>();
        let whole = without_place(read(&[bytes]));
        prop_assert_eq!(without_place(read(&chunks)), whole.clone());
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(without_place(read(&single)), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        read(&[&bytes]);
    }
}
