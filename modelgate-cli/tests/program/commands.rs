//! Administration from a terminal: commands, their output, their exit codes.

use serde_json::Value;

use crate::running::{Ended, Served, folder, log_of, modelgate, modelgate_cli, modelgate_fed};

const ADMIN: &str = "admin-canary-of-the-commands";

struct Place {
    folder: tempfile::TempDir,
    served: Served,
}

impl Place {
    fn new() -> Self {
        let folder = folder();
        let served = Served::start(folder.path(), "", &[("MG_ADMIN_API_KEY", ADMIN)]);
        Self { folder, served }
    }

    fn run(&self, arguments: &str) -> Ended {
        modelgate(
            self.folder.path(),
            arguments,
            &[
                ("MODELGATE_SERVER", &self.served.url),
                ("MODELGATE_API_KEY", ADMIN),
            ],
        )
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn keys_and_models_are_made_and_listed() {
    let place = Place::new();
    let made = place.run("key create -n ci -q 500 --period month -r 30 -i 10.0.0.0/8,::1");
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert!(
        made.out.starts_with("key\tmg-")
            && made
                .out
                .contains("\nquota\t500\nquota period\tmonth\nrate limit\t30\n"),
        "{}",
        made.out
    );
    assert_eq!(made.err, "The key is shown this once: keep it now.\n");
    let listed = place.run("key list");
    assert!(
        listed.out.starts_with("id\tname\trole\tstatus\tprefix\t"),
        "{}",
        listed.out
    );
    assert!(
        listed.out.contains("\tci\tuser\tactive\tmg-"),
        "{}",
        listed.out
    );
    let secret = made
        .out
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("key\t"))
        .expect("a secret");
    assert!(!listed.out.contains(secret));
    let model = place.run("model create -n e -b echo --alias other");
    assert_eq!(
        (model.code, model.out.as_str()),
        (
            Some(0),
            "id\t1\nname\te\nbackend\techo\nupstream name\te\nenabled\tyes\n"
        )
    );
    assert!(
        place
            .run("models list")
            .out
            .ends_with("\n1\te\techo\t-\te\t-\tyes\n")
    );
}

#[test]
fn quiet_writes_the_secret_alone() {
    let place = Place::new();
    let made = place.run("key create -n ci --quiet");
    assert_eq!(
        (made.code, made.out.len(), made.err.as_str()),
        (Some(0), 51, ""),
        "{}",
        made.out
    );
    assert!(made.out.starts_with("mg-"));
}

#[test]
fn every_command_writes_json() {
    let place = Place::new();
    for (arguments, pointer) in [
        ("key list --json", "/0/name"),
        ("key create -n a --json", "/key"),
        ("model create -n m -b echo --json", "/id"),
        ("model list --json", "/0/targets"),
        ("sync --dry-run --json", "/backends"),
        ("verify --json", "/valid"),
        ("config check --json", "/valid"),
        ("config show --json", "/server.port/value"),
    ] {
        let ended = place.run(arguments);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(0), ""),
            "{arguments}"
        );
        assert!(
            json(&ended.out).pointer(pointer).is_some(),
            "{arguments}: {}",
            ended.out
        );
    }
}

#[test]
fn failures_have_exit_codes_and_error_objects() {
    let place = Place::new();
    place.run("model create -n taken -b echo");
    let nowhere = "http://127.0.0.1:1";
    for (arguments, code, word) in [
        ("model create -n taken -b echo", 1, "already_exists"),
        ("key create -n a --role king", 1, "invalid_value"),
        ("verify -k wrong", 1, "invalid_api_key"),
        ("key creat -n a", 2, "usage"),
        ("key create", 2, "usage"),
        ("key create -n a -q lots", 2, "usage"),
        ("verify --api-key-file missing", 2, "usage"),
        ("verify -s localhost", 2, "usage"),
        ("config check -c missing.yaml", 2, "usage"),
        (&format!("verify -s {nowhere}"), 3, "unreachable"),
    ] {
        let plain = place.run(arguments);
        assert_eq!(
            (plain.code, plain.out.as_str()),
            (Some(code), ""),
            "{arguments}: {}",
            plain.err
        );
        assert!(
            plain.err.starts_with("modelgate: ") && plain.err.lines().count() == 1,
            "{arguments}: {}",
            plain.err
        );
        let told = place.run(&format!("{arguments} --json"));
        assert_eq!(
            (told.code, told.out.as_str()),
            (Some(code), ""),
            "{arguments}: {}",
            told.err
        );
        assert_eq!(
            json(&told.err)["error"]["code"],
            word,
            "{arguments}: {}",
            told.err
        );
    }
}

#[test]
fn s37_the_key_comes_from_the_environment_a_file_or_standard_input() {
    let place = Place::new();
    let folder = place.folder.path();
    std::fs::write(folder.join("admin.key"), format!("\n{ADMIN}\n")).expect("a file");
    let server = [("MODELGATE_SERVER", place.served.url.as_str())];
    assert_eq!(
        modelgate(folder, "verify --api-key-file admin.key", &server).code,
        Some(0)
    );
    assert_eq!(
        modelgate_fed(
            folder,
            "verify --api-key-file -",
            &server,
            &format!("{ADMIN}\n")
        )
        .code,
        Some(0)
    );
    assert_eq!(
        modelgate(folder, &format!("verify -k {ADMIN}"), &server).code,
        Some(0)
    );
    let without = modelgate(folder, "verify", &server);
    assert_eq!(without.code, Some(2));
    assert_eq!(
        without.err,
        "modelgate: no API key: set MODELGATE_API_KEY, or give --api-key-file\n"
    );
    let environment = [server[0], ("MODELGATE_API_KEY", ADMIN)];
    let help = modelgate(folder, "verify --help", &environment);
    assert!(
        help.code == Some(0) && !help.out.contains(ADMIN),
        "{}",
        help.out
    );
    assert!(!log_of(folder).contains(ADMIN));
}

#[test]
fn a_backends_credential_comes_from_a_file_and_is_not_shown() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("backend.key"), "sk-canary").expect("a file");
    let made = place.run(
        "model create -n m -b vllm -u http://localhost:9 --backend-api-key-file backend.key --json",
    );
    assert_eq!(json(&made.out)["has_api_key"], true, "{}", made.err);
    assert!(
        !made.out.contains("sk-canary")
            && !place.run("model list --json").out.contains("sk-canary")
    );
}

#[test]
fn the_other_program_only_administers() {
    let place = Place::new();
    let environment = [
        ("MODELGATE_SERVER", place.served.url.as_str()),
        ("MODELGATE_API_KEY", ADMIN),
    ];
    assert_eq!(
        modelgate_cli(place.folder.path(), "key list", &environment).code,
        Some(0)
    );
    assert_eq!(
        modelgate_cli(place.folder.path(), "serve", &[]).code,
        Some(2)
    );
    let version = modelgate_cli(place.folder.path(), "--version", &[]);
    assert_eq!(
        version.out,
        concat!("modelgate-cli ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_server_that_is_no_gateway_is_told_apart() {
    let folder = folder();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_exact(&mut [0; 16]).expect("a request");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
            .expect("an answer");
    });
    let ended = modelgate(
        folder.path(),
        "verify",
        &[("MODELGATE_SERVER", &url), ("MODELGATE_API_KEY", ADMIN)],
    );
    assert_eq!(ended.code, Some(3));
    assert!(ended.err.contains("is no ModelGate"), "{}", ended.err);
}
