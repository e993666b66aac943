//! Starts that must fail, through the real binary: bad settings (promise R26), unusable databases, taken ports.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::admin_api_restarts::Running;
use crate::gate::{ADMIN_KEY, TestGate};
use crate::wait;

/// What a start that failed left behind.
struct Failed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The program with the settings of these tests; later variables stand above earlier ones.
pub(crate) fn program(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelgate"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .env("MG_SERVER_PORT", "0")
        .env("MG_ADMIN_API_KEY", ADMIN_KEY)
        .env("MG_SYNC_ON_START", "false")
        .env("MG_LOG_FORMAT", "json")
        .env("MG_SHUTDOWN_GRACE", "100ms")
        .env("MG_DATABASE_PATH", folder.join("modelgate.db"))
        .env("MG_SECRETS_KEY_FILE", folder.join("secret.key"))
        .envs(env.iter().copied());
    command
}

async fn failed(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Failed {
    let limit = Duration::from_secs(15);
    let what = format!("the end of a start with {arguments:?} {env:?}");
    let output = wait::bounded_within(limit, &what, program(folder, arguments, env).output())
        .await
        .expect("the program");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output of UTF-8");
    Failed {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

impl Failed {
    /// One line on stderr, with all of these words, nothing on stdout.
    fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self.says_in_one_line(words);
    }

    fn says_in_one_line(&self, words: &[&str]) {
        let Self { stdout, stderr, .. } = self;
        assert_eq!(
            (stdout.as_str(), stderr.trim_end().lines().count()),
            ("", 1),
            "{stdout}\n{stderr}"
        );
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[tokio::test]
async fn r26_a_bad_variable_stops_the_start_with_one_line_that_names_it() {
    let folder = folder();
    let table = [
        ("MG_SERVER_PORT", "70000", "server.port"),
        ("MG_SERVER_PORT", "-1", "server.port"),
        ("MG_SERVER_PORT", "80 80", "server.port"),
        ("MG_SERVER_HOST", "127.0.0.1:80", "server.host"),
        (
            "MG_SERVER_TRUSTED_PROXIES",
            "10.0.0.0/33",
            "server.trusted_proxies",
        ),
        (
            "MG_SERVER_REQUEST_ENCODINGS",
            "br",
            "server.request_encodings",
        ),
        ("MG_SERVER_TLS_CERT", "/no/such.pem", "server.tls.key"),
        ("MG_RATE_LIMIT_RPM", "0", "rate_limit.rpm"),
        ("MG_RATE_LIMIT_RPM", "many", "rate_limit.rpm"),
        ("MG_RATE_LIMIT_BURST", "1.5", "rate_limit.burst"),
        ("MG_QUOTA_DEFAULT_TOKENS", "-5", "quota.default_tokens"),
        ("MG_QUOTA_MODE", "guess", "quota.mode"),
        ("MG_QUOTA_TIME_ZONE", "Mars/Olympus", "quota.time_zone"),
        ("MG_TIMEOUT", "soon", "timeout"),
        ("MG_TIMEOUTS_FIRST_EVENT", "0s", "timeouts.first_event"),
        ("MG_SHUTDOWN_DRAIN", "-5s", "shutdown.drain"),
        ("MG_MAX_BODY_SIZE", "-1", "max_body_size"),
        ("MG_LIMITS_CONNECTIONS", "0", "limits.connections"),
        ("MG_LOG_LEVEL", "loud", "log.level"),
        ("MG_LOG_FORMAT", "xml", "log.format"),
        ("MG_UPSTREAMS_IMAGE_POLICY", "all", "upstreams.image_policy"),
        (
            "MG_ADAPTERS_VLLM_BASE_URL",
            "localhost:8000",
            "adapters.vllm.base_url",
        ),
        (
            "MG_ADAPTERS_OLLAMA_BASE_URL",
            "ftp://localhost",
            "adapters.ollama.base_url",
        ),
        ("MG_STREAMS_EARLY_HEADERS", "maybe", "streams.early_headers"),
    ];
    for (name, value, key) in table {
        let start = failed(folder.path(), &["serve"], &[(name, value)]).await;
        start.says(2, &[key]);
    }
    assert!(
        !folder.path().join("modelgate.db").exists(),
        "nothing is made by a start that fails"
    );
}

#[tokio::test]
async fn r26_unknown_names_stop_the_start_and_the_nearest_known_one_is_told() {
    let folder = folder();
    let table = [
        ("MG_SERVER_PROT", "80", "MG_SERVER_PORT"),
        ("MG_RATELIMIT_RPM", "5", "MG_RATE_LIMIT_RPM"),
        (
            "MG_ADAPTERS_OLLAMA_URL",
            "http://localhost:11434",
            "MG_ADAPTERS_OLLAMA_BASE_URL",
        ),
        ("MG_LOG_LEVELS", "info", "MG_LOG_LEVEL"),
    ];
    for (name, value, nearest) in table {
        let start = failed(folder.path(), &["serve"], &[(name, value)]).await;
        start.says(2, &[name, nearest]);
    }
    for (yaml, words) in [
        ("sever:\n  port: 1\n", ["sever", "server"]),
        ("server:\n  prot: 1\n", ["server.prot", "server.port"]),
        (
            "rate_limit:\n  rpms: 1\n",
            ["rate_limit.rpms", "rate_limit.rpm"],
        ),
        ("max_body_sizes: 1\n", ["max_body_sizes", "max_body_size"]),
    ] {
        let file = folder.path().join("settings.yaml");
        std::fs::write(&file, yaml).expect("a file");
        let start = failed(folder.path(), &["serve", "--config", "settings.yaml"], &[]).await;
        start.says(2, &words);
    }
}

#[tokio::test]
async fn r26_a_bad_file_stops_the_start_with_one_line_that_names_the_key() {
    let folder = folder();
    let table = [
        ("server:\n  port: [1]\n", "server.port"),
        ("server: 7\n", "server"),
        ("rate_limit:\n  rpm: 0\n", "rate_limit.rpm"),
        ("rate_limit:\n  rpm: 5\n  burst: 6\n", "rate_limit.burst"),
        (
            "server:\n  cors:\n    origins: [app.example.com]\n",
            "server.cors.origins",
        ),
        ("streams:\n  normalize: [nginx]\n", "streams.normalize"),
        (
            "adapters:\n  api3:\n    base_url: 'http://u:p@h/'\n",
            "adapters.api3.base_url",
        ),
        ("- a\n- b\n", "settings.yaml"),
        ("server:\n\tport: 1\n", "settings.yaml"),
        ("server: {port: 1\n", "settings.yaml"),
        ("just text\n", "settings.yaml"),
        ("server:\n  port: 1\nserver:\n  port: 2\n", "server"),
    ];
    let file = folder.path().join("settings.yaml");
    for (yaml, key) in table {
        std::fs::write(&file, yaml).expect("a file");
        let start = failed(folder.path(), &["serve", "--config", "settings.yaml"], &[]).await;
        start.says(2, &[key]);
    }
    std::fs::write(&file, [0xff, 0xfe, 0x00]).expect("a file");
    failed(folder.path(), &["serve", "--config", "settings.yaml"], &[])
        .await
        .says(2, &["settings.yaml"]);
    failed(folder.path(), &["serve", "--config", "missing.yaml"], &[])
        .await
        .says(2, &["missing.yaml"]);
    failed(folder.path(), &["serve", "--config", "."], &[])
        .await
        .says(2, &[]);
}

#[tokio::test]
async fn r26_what_is_not_built_yet_says_so() {
    let folder = folder();
    for (name, value, key) in [
        ("MG_REDIS_ADDR", "localhost:6379", "redis.addr"),
        (
            "MG_DATABASE_URL",
            "postgres://user:password-canary@db/gate",
            "database.url",
        ),
        (
            "MG_SERVER_ADMIN_LISTEN",
            "127.0.0.1:9000",
            "server.admin_listen",
        ),
    ] {
        let start = failed(folder.path(), &["serve"], &[(name, value)]).await;
        start.says(2, &[key]);
        assert!(
            !start.stderr.contains("password-canary"),
            "{}",
            start.stderr
        );
    }
}

#[tokio::test]
async fn r26_a_secret_is_not_repeated_when_it_is_refused() {
    let folder = folder();
    for (name, value, key) in [
        (
            "MG_ADMIN_API_KEY",
            "admin canary with spaces",
            "admin.api_key",
        ),
        (
            "MG_ADAPTERS_OPENAI_API_KEY",
            "openai canary with spaces",
            "adapters.openai.api_key",
        ),
        ("MG_SECRETS_KEY", "sealing-canary", "secrets.key"),
        (
            "MG_UPSTREAMS_PROXY",
            "http//user:proxy-canary@h",
            "upstreams.proxy",
        ),
    ] {
        let start = failed(folder.path(), &["serve"], &[(name, value)]).await;
        start.says(2, &[key]);
        assert!(!start.stderr.contains("canary"), "{}", start.stderr);
    }
}

#[tokio::test]
async fn variables_of_kubernetes_and_empty_ones_are_passed_over() {
    let settings = TestGate::with()
        .env("MG_PORT", "tcp://10.0.0.1:8080")
        .env("MG_PORT_8080_TCP", "tcp://10.0.0.1:8080")
        .env("MG_PORT_8080_TCP_ADDR", "10.0.0.1")
        .env("MG_SERVICE_HOST", "10.0.0.1")
        .env("MG_SERVICE_PORT", "8080")
        .env("MG_LOG_FORMAT", "")
        .env("MG_RATE_LIMIT_RPM", "");
    let gate = settings.start().await;
    gate.get("/health").send().await.expect_status(200);
}

#[tokio::test]
async fn r08_a_database_that_cannot_be_used_stops_the_start_and_is_left_as_it_is() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("a-folder")).expect("a folder");
    std::fs::write(folder.path().join("garbage"), vec![0x5a; 20_000]).expect("a file");
    std::fs::write(folder.path().join("text"), "SQLite format 4\0 but no").expect("a file");
    for place in [
        "a-folder",
        "garbage",
        "text",
        "text/below/modelgate.db",
        "/proc/modelgate/modelgate.db",
    ] {
        let path = folder.path().join(place);
        let shown = path.display().to_string();
        let before = std::fs::read(&path).ok();
        let start = failed(folder.path(), &["serve"], &[("MG_DATABASE_PATH", &shown)]).await;
        let beside = path.parent().expect("a folder").display().to_string();
        start.says(4, &[&beside]);
        assert_eq!(std::fs::read(&path).ok(), before, "{place}");
    }
}

#[tokio::test]
async fn r08_a_damaged_database_is_never_made_anew() {
    let folder = folder();
    let running = Running::start(folder.path(), &[]).await;
    assert_eq!(running.status_with(ADMIN_KEY).await, 200);
    running.stop().await;
    let path = folder.path().join("modelgate.db");
    let mut bytes = std::fs::read(&path).expect("the database");
    assert!(bytes.len() > 8_192, "it has pages");
    for place in (0..bytes.len()).filter(|place| place % 4_096 < 200) {
        bytes[place] ^= 0xa5;
    }
    std::fs::write(&path, &bytes).expect("the damage");
    let start = failed(folder.path(), &["serve"], &[]).await;
    start.says(4, &["modelgate.db"]);
    assert!(
        std::fs::read(&path).expect("the database") == bytes,
        "it was changed"
    );
}

#[tokio::test]
async fn r08_a_second_process_on_the_same_database_is_refused() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    let path = gate.path("modelgate.db").display().to_string();
    let elsewhere = folder();
    let secret_key = gate.path("secret.key").display().to_string();
    let env = [
        ("MG_DATABASE_PATH", path.as_str()),
        ("MG_SECRETS_KEY_FILE", secret_key.as_str()),
    ];
    let start = failed(elsewhere.path(), &["serve"], &env).await;
    start.says(4, &["modelgate.db"]);
    gate.chat(&key, "hi").await.expect_status(200);
}

#[tokio::test]
async fn a_taken_port_is_one_line_that_names_it_and_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let port = address.port().to_string();
    let folder = folder();
    let listen = address.to_string();
    for start in [
        failed(folder.path(), &["serve"], &[("MG_SERVER_PORT", &port)]).await,
        failed(folder.path(), &["serve", "--listen", &listen], &[]).await,
    ] {
        assert!(matches!(start.code, Some(1 | 2)), "{:?}", start.code);
        start.says_in_one_line(&[&port, "--listen"]);
    }
}

#[tokio::test]
async fn a_sealing_key_that_is_none_stops_the_start_and_stays() {
    let folder = folder();
    std::fs::write(folder.path().join("secret.key"), "key-canary that is none").expect("a file");
    let start = failed(folder.path(), &["serve"], &[]).await;
    start.says(2, &["secret.key"]);
    assert!(!start.stderr.contains("key-canary"), "{}", start.stderr);
    let kept = std::fs::read_to_string(folder.path().join("secret.key")).expect("the file");
    assert_eq!(kept, "key-canary that is none");
}
