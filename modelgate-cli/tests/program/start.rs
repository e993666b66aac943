//! Starts: what is said, what is printed works, and what stops a start.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use crate::running::{Served, folder, log_of, modelgate, shell};

const ADMIN: &str = "admin-of-the-tests";

/// The lines of a text that are indented, as somebody copies them.
fn commands(text: &str) -> String {
    text.lines()
        .filter(|line| line.starts_with("  "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_first_start_prints_the_admin_key_once_and_three_commands_that_work() {
    let folder = folder();
    let mut served = Served::start(folder.path(), "", &[]);
    let told = served.lines_until("export ") + &served.line() + "\n" + &served.line();
    let typed = commands(&told);
    let (_, key) = typed.split_once("MODELGATE_API_KEY=").expect("a key");
    let key = key.lines().next().unwrap_or_default();
    assert!(key.starts_with("mg-") && key.len() == 50, "{told}");
    assert_eq!(told.matches(key).count(), 1, "{told}");
    assert_eq!(typed.lines().count(), 3, "{typed}");
    let ended = shell(&typed);
    assert_eq!(ended.code, Some(0), "{typed} {}", ended.err);
    assert!(ended.out.contains("\nname\tme\n"), "{}", ended.out);
    assert_eq!(served.stop(), Some(0));
    let mut again = Served::start(folder.path(), "", &[]);
    let verified = modelgate(
        folder.path(),
        "verify",
        &[("MODELGATE_SERVER", &again.url), ("MODELGATE_API_KEY", key)],
    );
    assert_eq!(verified.code, Some(0), "{}", verified.err);
    again.stop();
    assert_eq!(again.line(), "", "nothing more is said");
    assert!(!log_of(folder.path()).contains(key));
}

#[test]
fn a_configured_admin_key_is_not_printed_and_followed_when_it_changes() {
    let folder = folder();
    for key in ["the-first-admin-key", "the-second-admin-key"] {
        let mut served = Served::start(folder.path(), "", &[("MG_ADMIN_API_KEY", key)]);
        let verify = |key| {
            modelgate(
                folder.path(),
                "verify",
                &[
                    ("MODELGATE_SERVER", &served.url),
                    ("MODELGATE_API_KEY", key),
                ],
            )
        };
        assert_eq!(verify(key).code, Some(0));
        if key == "the-second-admin-key" {
            assert_eq!(verify("the-first-admin-key").code, Some(1));
        }
        served.stop();
        assert_eq!(served.line(), "");
    }
    let ended = modelgate(
        folder.path(),
        "serve --listen 127.0.0.1:0",
        &[("MG_ADMIN_API_KEY", "the-first-admin-key")],
    );
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended
            .err
            .starts_with("modelgate: admin.api_key: was a key of this gateway before"),
        "{}",
        ended.err
    );
}

#[test]
fn a_demonstration_streams_at_once_and_leaves_nothing_behind() {
    let (folder, temporary) = (folder(), folder());
    let place = temporary.path().display().to_string();
    let mut served = Served::start(
        folder.path(),
        "--demo",
        &[("TMPDIR", &place), ("MG_DATABASE_PATH", "kept.db")],
    );
    let told = served.lines_until("print(") + &served.lines_until("export ") + &served.line();
    let between = |from: &str, to: &str| {
        let rest = told
            .split_once(from)
            .unwrap_or_else(|| panic!("{from} in {told}"))
            .1;
        rest.split_once(to).expect(to).0.to_owned()
    };
    assert!(
        told.contains(&format!(
            "curl --no-buffer {}/v1/chat/completions",
            served.url
        )),
        "{told}"
    );
    assert!(
        told.contains(&format!("base_url=\"{}/v1\"", served.url)),
        "{told}"
    );
    let (key, body) = (
        between("Authorization: Bearer ", "'"),
        between("-d '", "'\n"),
    );
    let answer = post(served.address(), &key, &body);
    assert!(
        answer.contains("\"Hello\"")
            && answer.contains(" there")
            && answer.contains("data: [DONE]"),
        "{answer}"
    );
    let counter = shell(&commands(
        &told[told.find("Behind").expect("a last part")..],
    ));
    assert!(counter.out.contains("\tdemo\t"), "{counter:?}");
    assert_eq!(
        std::fs::read_dir(temporary.path())
            .expect("a folder")
            .count(),
        1
    );
    assert_eq!(served.stop(), Some(0));
    assert_eq!(
        std::fs::read_dir(temporary.path())
            .expect("a folder")
            .count(),
        0
    );
    assert!(!folder.path().join("kept.db").exists() && !folder.path().join("data").exists());
}

fn post(address: &str, key: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream
        .write_all((head + body).as_bytes())
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8");
    answer
}

#[test]
fn a_taken_port_is_one_line_that_names_it_and_the_flag() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let ended = modelgate(folder.path(), &format!("serve --listen {address}"), &[]);
    assert_eq!(ended.code, Some(1));
    let expected = format!(
        "modelgate: {address} is taken by another program: choose another with --listen HOST:PORT or server.port\n"
    );
    assert_eq!(ended.err, expected);
    assert!(!folder.path().join("data").exists(), "nothing was touched");
}

#[test]
fn an_unusable_database_exits_4_with_one_line() {
    let folder = folder();
    std::fs::write(
        folder.path().join("text"),
        "this is no database, and long enough to be taken for one".repeat(100),
    )
    .expect("a file");
    for path in ["text", "text/inside/a.db"] {
        let ended = modelgate(
            folder.path(),
            "serve --listen 127.0.0.1:0",
            &[("MG_DATABASE_PATH", path), ("MG_SECRETS_KEY_FILE", "key")],
        );
        assert_eq!(
            (ended.code, ended.err.lines().count()),
            (Some(4), 1),
            "{}",
            ended.err
        );
        assert!(
            ended.err.starts_with("modelgate: ") && ended.err.contains("text"),
            "{}",
            ended.err
        );
    }
    let served = Served::start(folder.path(), "", &[]);
    let second = modelgate(folder.path(), "serve --listen 127.0.0.1:0", &[]);
    assert_eq!(second.code, Some(4), "{} beside {}", second.err, served.url);
    assert!(
        second.err.contains("in use by another process"),
        "{}",
        second.err
    );
}

#[test]
fn unusable_key_and_certificate_files_exit_2_with_one_line() {
    let folder = folder();
    std::fs::write(folder.path().join("bad"), "neither key nor certificate").expect("a file");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("MG_SECRETS_KEY_FILE", "bad")], "secrets.key_file"),
        (&[("MG_SECRETS_KEY", "too-short")], "secrets.key"),
        (
            &[("MG_SERVER_TLS_CERT", "bad"), ("MG_SERVER_TLS_KEY", "bad")],
            "server.tls",
        ),
        (
            &[
                ("MG_SERVER_TLS_CERT", "missing"),
                ("MG_SERVER_TLS_KEY", "missing"),
            ],
            "server.tls",
        ),
        (&[("MG_UPSTREAMS_CA_FILE", "missing")], "upstreams.ca_file"),
    ];
    for (variables, named) in cases {
        let ended = modelgate(folder.path(), "serve --listen 127.0.0.1:0", variables);
        assert_eq!(
            (ended.code, ended.err.lines().count()),
            (Some(2), 1),
            "{variables:?} {}",
            ended.err
        );
        assert!(ended.err.contains(named), "{variables:?} {}", ended.err);
    }
}

#[test]
fn r26_a_public_address_without_tls_warns_loudly() {
    let folder = folder();
    let warned = |arguments: &str, variables: &[(&str, &str)]| {
        let mut served = Served::start(folder.path(), arguments, variables);
        served.stop();
        log_of(folder.path()).contains("EXPOSED")
    };
    assert!(warned("--listen 0.0.0.0:0", &[]));
    assert!(!warned(
        "--listen 0.0.0.0:0",
        &[("MG_SERVER_TRUSTED_PROXIES", "10.0.0.0/8")]
    ));
    assert!(!warned("--listen 127.0.0.1:0", &[]));
}

#[test]
fn s33_what_it_creates_is_for_its_owner_only() {
    let folder = folder();
    let mut served = Served::start(folder.path(), "", &[]);
    served.stop();
    let data = folder.path().join("data");
    let names = std::fs::read_dir(&data)
        .expect("data")
        .map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = names.collect();
    assert!(files.len() >= 2, "{files:?}");
    files.push(data);
    for file in files {
        let mode = std::fs::metadata(&file)
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.display());
    }
}

#[test]
fn models_of_a_running_backend_are_found_at_the_first_start() {
    let (folder, backend) = (folder(), backend());
    let variables = [
        ("MG_SYNC_ON_START", "true"),
        ("MG_ADMIN_API_KEY", ADMIN),
        ("MG_ADAPTERS_OLLAMA_BASE_URL", "none"),
        ("MG_ADAPTERS_LLAMACPP_BASE_URL", "none"),
        ("MG_ADAPTERS_VLLM_BASE_URL", backend.as_str()),
    ];
    let mut served = Served::start(folder.path(), "", &variables);
    assert_eq!(served.line(), format!("Found at {backend}/v1: live-model"));
    assert_eq!(served.stop(), Some(0));
    let mut again = Served::start(folder.path(), "", &variables);
    assert_eq!(again.line(), "Models: live-model");
    again.stop();
}

#[test]
fn without_a_backend_it_says_what_to_do() {
    let folder = folder();
    let nobody = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let nobody = format!("http://{nobody}");
    let variables = [
        ("MG_SYNC_ON_START", "true"),
        ("MG_ADMIN_API_KEY", ADMIN),
        ("MG_ADAPTERS_OLLAMA_BASE_URL", nobody.as_str()),
        ("MG_ADAPTERS_LLAMACPP_BASE_URL", "none"),
        ("MG_ADAPTERS_VLLM_BASE_URL", "none"),
    ];
    let mut served = Served::start(folder.path(), "", &variables);
    assert!(
        served
            .line()
            .starts_with("No models yet: none of the configured servers answered.")
    );
    served.stop();
}

/// A server with one model, whatever it is asked.
fn backend() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).expect("a request") == 0 {
                    break;
                }
                seen.push(byte[0]);
            }
            let body = r#"{"object":"list","data":[{"id":"live-model","object":"model","max_model_len":4096}]}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream
                .write_all((head + body).as_bytes())
                .expect("an answer");
        }
    });
    format!("http://{address}")
}
