//! Argument lists and what they mean.

use super::*;
use crate::settings::{ConfigFile, Flag};

fn parse_text(line: &str) -> Result<Command, Told> {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(Program::Whole, &words)
}

fn wrong(line: &str) -> String {
    match parse_text(line) {
        Err(Told::Wrong(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn help(line: &str) -> String {
    match parse_text(line) {
        Err(Told::Help(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_parser_keeps_its_own_rules() {
    parser(Program::Whole).check_invariants(true);
    parser(Program::AdminOnly).check_invariants(true);
}

#[test]
fn without_a_command_it_serves() {
    let plain = ServeArgs {
        config: ConfigFile::Default,
        flags: Vec::new(),
        demo: false,
    };
    for line in ["", "serve"] {
        assert_eq!(
            parse_text(line),
            Ok(Command::Serve(plain.clone())),
            "{line}"
        );
    }
    for line in ["--demo", "serve --demo"] {
        assert_eq!(
            parse_text(line),
            Ok(Command::Serve(ServeArgs {
                demo: true,
                ..plain.clone()
            })),
            "{line}"
        );
    }
    let flag = |path, value: &str| Flag {
        name: "--listen",
        path,
        value: value.to_owned(),
    };
    let flags = vec![flag("server.host", "[::1]"), flag("server.port", "9")];
    let asked = ServeArgs {
        config: ConfigFile::Named("a.yaml".into()),
        flags,
        demo: false,
    };
    assert_eq!(
        parse_text("serve --listen [::1]:9 -c a.yaml"),
        Ok(Command::Serve(asked))
    );
}

#[test]
fn a_new_key_sends_what_was_given() {
    let check = |line: &str, expected: &str| match parse_text(line) {
        Ok(Command::Key(KeyCommand::Create(asked))) => {
            assert_eq!(asked.form.to_string(), expected, "{line}");
        }
        other => panic!("{line}: {other:?}"),
    };
    check("key create -n ci", r#"{"name":"ci"}"#);
    check(
        "keys create --name ci -q none -r 30",
        r#"{"name":"ci","quota":null,"rate_limit":30}"#,
    );
    check(
        "key create -n a -q 1_000 --period month --burst 2 --tpm 9 --parallel 3 -i 10.0.0.0/8,::1 --models a,b -d a -t gold --role viewer --expires 2027-01-01T00:00:00Z",
        r#"{"name":"a","quota":1000,"quota_period":"month","burst":2,"tpm":9,"max_parallel":3,"allowed_ips":["10.0.0.0/8","::1"],"allowed_models":["a","b"],"default_model":"a","tier":"gold","role":"viewer","expires_at":"2027-01-01T00:00:00Z"}"#,
    );
}

#[test]
fn a_new_model_sends_what_was_given() {
    let check = |line: &str, expected: &str| match parse_text(line) {
        Ok(Command::Model(ModelCommand::Create(asked))) => {
            assert_eq!(asked.form.to_string(), expected, "{line}");
        }
        other => panic!("{line}: {other:?}"),
    };
    check(
        "model create -n m -b echo",
        r#"{"name":"m","backend_type":"echo"}"#,
    );
    check(
        "models create -n m -b api3 -u https://h/v1 -p sk --upstream-name x -e false --alias y --alias z -t gold",
        r#"{"name":"m","backend_type":"api3","base_url":"https://h/v1","upstream_name":"x","api_key":"sk","enabled":false,"aliases":["y","z"],"tiers":["gold"]}"#,
    );
}

#[test]
fn server_and_key_are_taken_from_flags() {
    let Ok(Command::Verify(remote)) =
        parse_text("verify -s http://h:1 --api-key-file - --json --timeout 5")
    else {
        panic!("verify");
    };
    assert_eq!(remote.server.as_deref(), Some("http://h:1"));
    assert_eq!(remote.api_key_file, Some(SecretFile::Stdin));
    assert_eq!(
        (remote.json, remote.timeout.as_secs(), remote.api_key),
        (true, 5, None)
    );
    let Ok(Command::Sync(sync)) = parse_text("sync --dry-run -b ollama -k secret") else {
        panic!("sync")
    };
    assert_eq!(
        (sync.dry_run, sync.backend.as_deref()),
        (true, Some("ollama"))
    );
    assert_eq!(sync.remote.api_key.as_deref(), Some("secret"));
}

#[test]
fn what_was_mistyped_is_named_with_its_nearest() {
    let check = |line: &str, parts: &[&str]| {
        let told = wrong(line);
        for part in parts {
            assert!(told.contains(part), "{line}: {told}");
        }
    };
    check("key lst", &["lst", "list"]);
    check("modle list", &["modle", "model"]);
    check("servee", &["servee", "serve"]);
    check("key create", &["--name"]);
    check("key create -n a --rol admin", &["--rol", "--role"]);
    check(
        "key create -n a -q lots",
        &["lots", "a whole number from 1, or none"],
    );
    check("key create -n a -q 0", &["a whole number from 1, or none"]);
    check("model create -n m -b olama", &["olama", "kinds are ollama"]);
    check("serve --listen 8080", &["HOST:PORT"]);
    check("verify --timeout 0", &["a number from 1"]);
}

#[test]
fn help_begins_with_examples() {
    for line in [
        "serve",
        "key create",
        "key list",
        "model create",
        "model list",
        "sync",
        "verify",
        "config check",
        "config show",
    ] {
        let text = help(&format!("{line} --help"));
        assert!(
            text.matches(&format!("modelgate {line}")).count() >= 2 || line == "verify",
            "{line}: {text}"
        );
        let (examples, flags) = (text.find("Examples:"), text.find("Available options"));
        assert!(examples.is_some() && examples < flags, "{text}");
    }
    assert!(help("--help").contains("MODELGATE_API_KEY"));
    assert_eq!(
        help("--version").trim(),
        concat!("modelgate ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_admin_program_does_not_serve() {
    let parse = |words: &[&str]| {
        parse(
            Program::AdminOnly,
            &words.iter().map(OsString::from).collect::<Vec<_>>(),
        )
    };
    assert!(matches!(
        parse(&["key", "list"]),
        Ok(Command::Key(KeyCommand::List(_)))
    ));
    assert!(matches!(parse(&["serve"]), Err(Told::Wrong(_))));
    assert!(matches!(parse(&[]), Err(Told::Wrong(_))));
}
