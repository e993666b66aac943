//! Settings from outside: the example file, which source wins, and bad configurations with the one line each is told.

mod bad;
mod program;

use std::time::Duration;

use modelgate::Settings;
use modelgate::settings::{ConfigFile, Environment, Flag, Loaded};

pub(crate) const FILE: &str = "gate.yaml";

/// Loads a file of that content and these variables; errors name the file `gate.yaml`.
pub(crate) fn load(
    yaml: &str,
    variables: &[(&str, &str)],
    flags: &[Flag],
) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    std::fs::write(&path, yaml).expect("a file");
    let environment = Environment::of(variables.iter().copied());
    let loaded = Loaded::from(&ConfigFile::Named(path.clone()), &environment, flags);
    loaded.map_err(|error| error.to_string().replace(&path.display().to_string(), FILE))
}

fn settings(yaml: &str, variables: &[(&str, &str)]) -> Settings {
    load(yaml, variables, &[]).expect("good settings").settings
}

#[test]
fn the_example_file_holds_every_default() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/modelgate.yaml");
    let file = ConfigFile::Named(example.into());
    let loaded = Loaded::from(&file, &Environment::default(), &[]).expect("a good example");
    assert_eq!(loaded.settings, Settings::default());
    for shown in loaded.shown() {
        assert_eq!(
            shown.source, example,
            "{} is missing in the example",
            shown.path
        );
    }
}

#[test]
fn the_example_file_names_every_planned_setting_too() {
    let example = include_str!("../../../config/modelgate.yaml");
    for line in [
        "admin_listen:",
        "url: \"\"",
        "addr:",
        "fsync:",
        "retention:",
        "ui_dir:",
        "retries:",
        "probes:",
    ] {
        assert!(example.contains(line), "{line}");
    }
}

#[test]
fn nothing_set_means_the_defaults() {
    for yaml in [
        "",
        "\n# only a comment\n",
        "---\n",
        "server:\n",
        "server:\n  tls:\n",
    ] {
        assert_eq!(settings(yaml, &[]), Settings::default(), "{yaml:?}");
    }
    let nowhere = Settings::load(&ConfigFile::None, &Environment::default());
    assert_eq!(nowhere, Ok(Settings::default()));
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let yaml = "server:\n  port: 1\nrate_limit:\n  rpm: 1\ntimeout: 1s\n";
    let variables = [("MG_SERVER_PORT", "2"), ("MG_RATE_LIMIT_RPM", "2")];
    let flags = [Flag {
        name: "--listen",
        path: "server.port",
        value: "3".to_owned(),
    }];
    let loaded = load(yaml, &variables, &flags).expect("good settings");
    let settings = &loaded.settings;
    assert_eq!(
        (
            settings.server.port,
            settings.rate_limit.rpm,
            settings.timeout
        ),
        (3, Some(2), Duration::from_secs(1))
    );
    let source = |path: &str| {
        loaded
            .shown()
            .into_iter()
            .find(|shown| shown.path == path)
            .expect("shown")
            .source
    };
    assert_eq!(source("server.port"), "--listen");
    assert_eq!(source("rate_limit.rpm"), "MG_RATE_LIMIT_RPM");
    assert!(source("timeout").ends_with(FILE));
    assert_eq!(source("server.host"), "default");
}

#[test]
fn values_are_read_as_people_write_them() {
    let yaml = "
server: {port: \"9000\", trusted_proxies: \"10.0.0.0/8, ::1\", cors: {origins: [https://a.example, '*']}}
rate_limit: {rpm: null, burst: 5}
quota: {default_tokens: none, mode: window, time_zone: Europe/Berlin}
timeouts: {connect: 250ms, idle: 30}
limits: {head: 8KiB}
max_body_size: 1MiB
streams: {keep_alive: 0, normalize: []}
";
    let read = settings(yaml, &[]);
    assert_eq!(read.server.port, 9000);
    assert_eq!(read.server.trusted_proxies, ["10.0.0.0/8", "::1"]);
    assert_eq!(read.server.cors.origins, ["https://a.example", "*"]);
    assert_eq!(
        (
            read.rate_limit.rpm,
            read.rate_limit.burst,
            read.quota.default_tokens
        ),
        (None, Some(5), None)
    );
    assert_eq!(
        (read.timeouts.connect, read.timeouts.idle),
        (Duration::from_millis(250), Duration::from_secs(30))
    );
    assert_eq!((read.limits.head, read.max_body_size), (8192, 1 << 20));
    assert_eq!(
        (read.streams.keep_alive, read.streams.normalize.len()),
        (Duration::ZERO, 0)
    );
}

#[test]
fn variables_keep_their_text() {
    let read = settings(
        "",
        &[
            ("MG_ADMIN_API_KEY", "0123"),
            ("MG_ADAPTERS_OPENAI_API_KEY", "true"),
            ("MG_SYNC_ON_START", "false"),
        ],
    );
    let openai = read.adapters.openai.api_key.expect("a credential");
    assert_eq!(read.admin.api_key.expect("a key").reveal(), "0123");
    assert_eq!(openai.reveal(), "true");
    assert!(!read.sync.on_start);
}

#[test]
fn variables_of_kubernetes_and_empty_ones_are_ignored() {
    let variables = [
        ("MG_PORT", "tcp://10.0.0.1:8080"),
        ("MG_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("MG_SERVICE_HOST", "10.0.0.1"),
        ("MG_SERVICE_PORT", "8080"),
        ("MG_SERVER_PORT", ""),
        ("MGX", "1"),
        ("OTHER", "1"),
    ];
    assert_eq!(settings("", &variables), Settings::default());
}

#[test]
fn a_proxy_comes_from_the_environment_unless_it_is_set() {
    let proxy = |yaml: &str, name: &str| {
        settings(yaml, &[(name, "http://proxy:3128")])
            .upstreams
            .proxy
    };
    assert_eq!(
        proxy("", "HTTPS_PROXY").as_deref(),
        Some("http://proxy:3128")
    );
    assert_eq!(
        proxy("", "https_proxy").as_deref(),
        Some("http://proxy:3128")
    );
    let bare = settings("", &[("HTTPS_PROXY", "proxy:3128")]);
    assert_eq!(bare.upstreams.proxy.as_deref(), Some("http://proxy:3128"));
    assert_eq!(
        proxy("upstreams: {proxy: off}", "HTTPS_PROXY"),
        Some("off".to_owned())
    );
    assert_eq!(
        proxy("upstreams: {proxy: 'http://other:1'}", "HTTPS_PROXY").as_deref(),
        Some("http://other:1")
    );
}

#[test]
fn secrets_are_never_shown() {
    let variables = [
        ("MG_ADMIN_API_KEY", "canary-admin"),
        ("MG_ADAPTERS_API3_API_KEY", "canary-api3"),
        ("MG_SECRETS_KEY", "canary-sealing"),
        ("MG_UPSTREAMS_PROXY", "http://user:canary-proxy@proxy:3128"),
    ];
    let loaded = load("", &variables, &[]).expect("good settings");
    let shown = format!("{:?} {:?}", loaded.shown(), loaded.settings);
    let json = serde_json::to_string(&loaded.settings).expect("JSON");
    assert!(
        !json.contains("canary-admin") && !json.contains("canary-sealing"),
        "{json}"
    );
    for secret in ["canary-admin", "canary-api3", "canary-sealing"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let listed = format!("{:?}", loaded.shown());
    assert!(
        listed.contains("http://********@proxy:3128") && !listed.contains("canary"),
        "{listed}"
    );
}

#[test]
fn a_named_file_that_is_missing_is_an_error_and_the_default_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.yaml");
    let told =
        Settings::load(&ConfigFile::Named(missing), &Environment::default()).expect_err("no file");
    assert!(
        told.to_string().starts_with("cannot read the settings in "),
        "{told}"
    );
}
