//! Settings from outside: the example file, precedence, and bad configurations, each with the one line it is told.

use std::process::Command;
use std::time::Duration;

use modelgate::settings::{ConfigFile, Environment, Flag, Loaded};
use modelgate::Settings;

const FILE: &str = "gate.yaml";

/// Loads a file of that content and these variables; errors name the file `gate.yaml`.
fn load(yaml: &str, variables: &[(&str, &str)], flags: &[Flag]) -> Result<Loaded, String> {
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
        assert_eq!(shown.source, example, "{} is missing in the example", shown.path);
    }
}

#[test]
fn the_example_file_names_every_planned_setting_too() {
    let example = include_str!("../../config/modelgate.yaml");
    for line in ["admin_listen:", "url: \"\"", "addr:", "fsync:", "retention:", "ui_dir:", "retries:", "probes:"] {
        assert!(example.contains(line), "{line}");
    }
}

#[test]
fn nothing_set_means_the_defaults() {
    for yaml in ["", "\n# only a comment\n", "---\n", "server:\n", "server:\n  tls:\n"] {
        assert_eq!(settings(yaml, &[]), Settings::default(), "{yaml:?}");
    }
    let nowhere = Settings::load(&ConfigFile::None, &Environment::default());
    assert_eq!(nowhere, Ok(Settings::default()));
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let yaml = "server:\n  port: 1\nrate_limit:\n  rpm: 1\ntimeout: 1s\n";
    let variables = [("MG_SERVER_PORT", "2"), ("MG_RATE_LIMIT_RPM", "2")];
    let flags = [Flag { name: "--listen", path: "server.port", value: "3".to_owned() }];
    let loaded = load(yaml, &variables, &flags).expect("good settings");
    let settings = &loaded.settings;
    assert_eq!((settings.server.port, settings.rate_limit.rpm, settings.timeout), (3, Some(2), Duration::from_secs(1)));
    let source = |path: &str| loaded.shown().into_iter().find(|shown| shown.path == path).expect("shown").source;
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
    assert_eq!((read.rate_limit.rpm, read.rate_limit.burst, read.quota.default_tokens), (None, Some(5), None));
    assert_eq!((read.timeouts.connect, read.timeouts.idle), (Duration::from_millis(250), Duration::from_secs(30)));
    assert_eq!((read.limits.head, read.max_body_size), (8192, 1 << 20));
    assert_eq!((read.streams.keep_alive, read.streams.normalize.len()), (Duration::ZERO, 0));
}

#[test]
fn variables_keep_their_text() {
    let read = settings("", &[("MG_ADMIN_API_KEY", "0123"), ("MG_ADAPTERS_OPENAI_API_KEY", "true"), ("MG_SYNC_ON_START", "false")]);
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
    let proxy = |yaml: &str, name: &str| settings(yaml, &[(name, "http://proxy:3128")]).upstreams.proxy;
    assert_eq!(proxy("", "HTTPS_PROXY").as_deref(), Some("http://proxy:3128"));
    assert_eq!(proxy("", "https_proxy").as_deref(), Some("http://proxy:3128"));
    assert_eq!(proxy("upstreams: {proxy: off}", "HTTPS_PROXY"), Some("off".to_owned()));
    assert_eq!(proxy("upstreams: {proxy: 'http://other:1'}", "HTTPS_PROXY").as_deref(), Some("http://other:1"));
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
    assert!(!json.contains("canary-admin") && !json.contains("canary-sealing"), "{json}");
    for secret in ["canary-admin", "canary-api3", "canary-sealing"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let listed = format!("{:?}", loaded.shown());
    assert!(listed.contains("http://********@proxy:3128") && !listed.contains("canary"), "{listed}");
}

/// Files that stop the start, with the line that says why.
const BAD_FILES: &[(&str, &str)] = &[
    ("sever: {port: 1}", "sever is no setting: did you mean server? (from gate.yaml)"),
    ("server: {prot: 1}", "server.prot is no setting: did you mean server.port? (from gate.yaml)"),
    ("port: 8080", "port is no setting: did you mean server.port? (from gate.yaml)"),
    ("zzzzzz: 1", "zzzzzz is no setting (from gate.yaml)"),
    ("server: 5", "server is a section and holds settings, not a value (from gate.yaml)"),
    ("server: [a]", "server is a section and holds settings, not a value (from gate.yaml)"),
    ("timeout: {connect: 5s}", "timeout must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not a section (from gate.yaml)"),
    ("server: {port: 65536}", "server.port must be a whole number from 0 to 65535, not 65536 (from gate.yaml)"),
    ("server: {port: -1}", "server.port must be a whole number from 0 to 65535, not -1 (from gate.yaml)"),
    ("server: {port: 80.5}", "server.port must be a whole number from 0 to 65535, not 80.5 (from gate.yaml)"),
    ("server: {port: http}", "server.port must be a whole number from 0 to 65535, not \"http\" (from gate.yaml)"),
    ("server: {port: }", "server.port must be a whole number from 0 to 65535, not empty (from gate.yaml)"),
    ("server: {port: [1]}", "server.port must be a whole number from 0 to 65535, not a list of something else (from gate.yaml)"),
    ("server: {host: '127.0.0.1:80'}", "server.host must be an IP address or a host name, without a port, not \"127.0.0.1:80\" (from gate.yaml)"),
    ("server: {host: ''}", "server.host must be an IP address or a host name, without a port, not \"\" (from gate.yaml)"),
    ("server: {trusted_proxies: [10.0.0.0/33]}", "server.trusted_proxies must be a list of IP addresses or networks such as 10.0.0.0/8, not \"10.0.0.0/33\" (from gate.yaml)"),
    ("server: {request_encodings: [br]}", "server.request_encodings must be a list of gzip, zstd, not \"br\" (from gate.yaml)"),
    ("server: {cors: {origins: [example.com]}}", "server.cors.origins must be a list of origins such as https://app.example.com, or *, not \"example.com\" (from gate.yaml)"),
    ("server: {tls: {cert: a.pem}}", "server.tls.cert needs server.tls.key beside it"),
    ("server: {tls: {key: a.pem}}", "server.tls.key needs server.tls.cert beside it"),
    ("server: {admin_listen: '127.0.0.1:9000'}", "server.admin_listen asks for a separate address for administration, which this version does not have: leave it out (from gate.yaml)"),
    ("shutdown: {drain: 2h}", "shutdown.drain must be a time from 0s to 1h, such as 500ms, 5s or 30m, not \"2h\" (from gate.yaml)"),
    ("shutdown: {grace: -1s}", "shutdown.grace must be a time from 0s to 1h, such as 500ms, 5s or 30m, not \"-1s\" (from gate.yaml)"),
    ("shutdown: {grace: true}", "shutdown.grace must be a time from 0s to 1h, such as 500ms, 5s or 30m, not \"true\" (from gate.yaml)"),
    ("database: {path: ''}", "database.path must be a path, not \"\" (from gate.yaml)"),
    ("database: {url: 'postgres://u:canary@db/x'}", "database.url asks for PostgreSQL, which this version does not have: leave it out (from gate.yaml)"),
    ("redis: {addr: 'localhost:6379'}", "redis.addr asks for limits shared through Redis, which this version does not have: leave it out (from gate.yaml)"),
    ("rate_limit: {rpm: 0}", "rate_limit.rpm must be a whole number from 1 to 10000000, or null for no limit, not 0 (from gate.yaml)"),
    ("rate_limit: {rpm: many}", "rate_limit.rpm must be a whole number from 1 to 10000000, or null for no limit, not \"many\" (from gate.yaml)"),
    ("rate_limit: {rpm: 10, burst: 11}", "rate_limit.burst must be at most rate_limit.rpm, which is 10, not 11"),
    ("rate_limit: {rps: 5}", "rate_limit.rps is no setting: did you mean rate_limit.rpm? (from gate.yaml)"),
    ("quota: {default_tokens: -5}", "quota.default_tokens must be a whole number from 1 to 1000000000000, or null for no limit, not -5 (from gate.yaml)"),
    ("quota: {mode: exact}", "quota.mode must be one of estimate, bytes, window, not \"exact\" (from gate.yaml)"),
    ("quota: {time_zone: Mars/Olympus}", "quota.time_zone must be an IANA time zone such as UTC or Europe/Berlin, not \"Mars/Olympus\" (from gate.yaml)"),
    ("quota: {max_output: 0}", "quota.max_output must be a whole number from 1 to 10000000, not 0 (from gate.yaml)"),
    ("timeout: 0s", "timeout must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not \"0s\" (from gate.yaml)"),
    ("timeout: 5 parsecs", "timeout must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not \"5 parsecs\" (from gate.yaml)"),
    ("timeouts: {first_token: 5s}", "timeouts.first_token is no setting: did you mean timeouts.first_event? (from gate.yaml)"),
    ("metering: {fsync: always}", "metering.fsync asks for a choice of when rows reach the disk, which this version does not have: leave it out (from gate.yaml)"),
    ("metering: {fsync: never}", "metering.fsync must be one of 1s, always, off, not \"never\" (from gate.yaml)"),
    ("streams: {early_headers: maybe}", "streams.early_headers must be true or false, not \"maybe\" (from gate.yaml)"),
    ("streams: {normalize: [ollama]}", "streams.normalize must be a list of vllm, llamacpp, openai, api3, not \"ollama\" (from gate.yaml)"),
    ("upstreams: {proxy: 'u:canary@proxy'}", "upstreams.proxy must be the address of a proxy such as http://proxy.example.com:3128, or off, not \"…@proxy\" (from gate.yaml)"),
    ("upstreams: {image_policy: hosts}", "upstreams.image_hosts and upstreams.image_policy hosts need each other"),
    ("upstreams: {image_hosts: ['http://a']}", "upstreams.image_hosts must be a list of host names such as images.example.com, not \"http://a\" (from gate.yaml)"),
    ("limits: {connections: 0}", "limits.connections must be a whole number from 1 to 1000000, not 0 (from gate.yaml)"),
    ("limits: {head: 1B}", "limits.head must be a size from 1KiB to 1MiB, in bytes or such as 64KiB or 5MiB, not \"1B\" (from gate.yaml)"),
    ("max_body_size: 2GiB", "max_body_size must be a size from 1B to 1GiB, in bytes or such as 64KiB or 5MiB, not \"2GiB\" (from gate.yaml)"),
    ("admin: {api_key: canary with spaces}", "admin.api_key must be a text of 1 to 512 visible ASCII characters without spaces (from gate.yaml)"),
    ("admin: {api_key: 12345}", "admin.api_key must be a text of 1 to 512 visible ASCII characters without spaces (from gate.yaml)"),
    ("adapters: {vllm: {base_url: 'localhost:8000'}}", "adapters.vllm.base_url must be an address such as http://localhost:8000/v1, without user, query or fragment, not \"localhost:8000\" (from gate.yaml)"),
    ("adapters: {api3: {base_url: 'https://u:canary@host'}}", "adapters.api3.base_url must be an address such as http://localhost:8000/v1, without user, query or fragment, not \"…@host\" (from gate.yaml)"),
    ("adapters: {ollama: {base_url: 'http://169.254.169.254'}}", "adapters.ollama.base_url must be an address such as http://localhost:11434, not \"http://169.254.169.254\" (from gate.yaml)"),
    ("adapters: {olama: {base_url: 'http://a'}}", "adapters.olama is no setting: did you mean adapters.ollama? (from gate.yaml)"),
    ("resilience: {retries: 3}", "resilience.retries asks for retries and breakers, which this version does not have: leave it out (from gate.yaml)"),
    ("sync: {on_start: 1}", "sync.on_start must be true or false, not 1 (from gate.yaml)"),
    ("log: {level: loud}", "log.level must be error, warn, info, debug, trace or off, or directives such as info,modelgate_http=debug, not \"loud\" (from gate.yaml)"),
    ("log: {format: xml}", "log.format must be one of auto, json, text, not \"xml\" (from gate.yaml)"),
    ("timeout: 1s\ntimeout: 2s", "timeout stands twice, again in line 2 (from gate.yaml)"),
    ("server:\n  port: 1\nserver:\n  host: a", "server stands twice, again in line 3 (from gate.yaml)"),
];

#[test]
fn r26_bad_files_are_told_in_one_line() {
    for (yaml, expected) in BAD_FILES {
        let told = load(yaml, &[], &[]).map(|loaded| loaded.settings).expect_err(yaml);
        assert_eq!(told, *expected, "{yaml}");
        assert!(!told.contains("canary"), "{told}");
    }
}

/// Variables that stop the start.
const BAD_VARIABLES: &[(&str, &str, &str)] = &[
    ("MG_SERVER_PROT", "1", "MG_SERVER_PROT is no setting: did you mean MG_SERVER_PORT?"),
    ("MG_RATE_LIMIT", "5", "MG_RATE_LIMIT is no setting: did you mean MG_RATE_LIMIT_RPM?"),
    ("MG_NONSENSE_OF_SOME_KIND", "1", "MG_NONSENSE_OF_SOME_KIND is no setting"),
    ("MG_SERVER_PORT", "eighty", "server.port must be a whole number from 0 to 65535, not \"eighty\" (from MG_SERVER_PORT)"),
    ("MG_SERVER_PORT", "99999999999999999999", "server.port must be a whole number from 0 to 65535, not \"99999999999999999999\" (from MG_SERVER_PORT)"),
    ("MG_SYNC_ON_START", "yes", "sync.on_start must be true or false, not \"yes\" (from MG_SYNC_ON_START)"),
    ("MG_TIMEOUTS_IDLE", "soon", "timeouts.idle must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not \"soon\" (from MG_TIMEOUTS_IDLE)"),
    ("MG_ADMIN_API_KEY", "canary key", "admin.api_key must be a text of 1 to 512 visible ASCII characters without spaces (from MG_ADMIN_API_KEY)"),
    ("MG_REDIS_PASSWORD", "canary", "redis.password asks for limits shared through Redis, which this version does not have: leave it out (from MG_REDIS_PASSWORD)"),
    ("MG_DATABASE_PATH", "a\u{1b}[31mb", "database.path must be a path, not \"a\\u{1b}[31mb\" (from MG_DATABASE_PATH)"),
    ("HTTPS_PROXY", "nonsense", "upstreams.proxy must be the address of a proxy such as http://proxy.example.com:3128, or off, not \"nonsense\" (from HTTPS_PROXY)"),
];

#[test]
fn r26_bad_variables_are_told_in_one_line() {
    for (name, value, expected) in BAD_VARIABLES {
        let told = load("", &[(name, value)], &[]).map(|loaded| loaded.settings).expect_err(name);
        assert_eq!(told, *expected);
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn a_file_that_is_no_yaml_is_told_with_its_place() {
    for yaml in ["server: {port: 1", "\tserver: 1", "- a\n- b\n", "just text"] {
        let told = load(yaml, &[], &[]).map(|loaded| loaded.settings).expect_err(yaml);
        assert!(told.starts_with("gate.yaml is no YAML with settings: "), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_named_file_that_is_missing_is_an_error_and_the_default_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.yaml");
    let told = Settings::load(&ConfigFile::Named(missing), &Environment::default()).expect_err("no file");
    assert!(told.to_string().starts_with("cannot read the settings in "), "{told}");
}

/// The real program in an empty folder with only these variables: exit code, stdout, stderr.
fn run(arguments: &[&str], variables: &[(&str, &str)], yaml: Option<&str>) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelgate"));
    command.args(arguments).current_dir(folder.path()).env_clear().envs(variables.iter().copied());
    if let Some(yaml) = yaml {
        std::fs::write(folder.path().join(FILE), yaml).expect("a file");
        command.args(["--config", FILE]);
    }
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn r26_the_program_exits_2_with_one_line() {
    for (yaml, expected) in BAD_FILES.iter().step_by(6) {
        for command in ["serve", "config check"] {
            let arguments: Vec<&str> = command.split(' ').collect();
            let (code, out, err) = run(&arguments, &[], Some(yaml));
            assert_eq!((code, out.as_str()), (Some(2), ""), "{yaml}: {err}");
            assert_eq!(err, format!("modelgate: {expected}\n"));
        }
    }
    for (name, value, expected) in BAD_VARIABLES.iter().step_by(3) {
        let (code, out, err) = run(&["serve"], &[(name, value)], None);
        assert_eq!((code, out.as_str(), err), (Some(2), "", format!("modelgate: {expected}\n")));
    }
    let (code, _, err) = run(&["serve", "--config", "missing.yaml"], &[], None);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("modelgate: cannot read the settings in missing.yaml: "), "{err}");
}

#[test]
fn config_check_and_show_tell_what_is_in_force() {
    let (code, out, err) = run(&["config", "check"], &[], None);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "the settings are good\n");
    let variables = [("MG_SERVER_PORT", "9"), ("MG_ADMIN_API_KEY", "canary")];
    let (code, out, _) = run(&["config", "show"], &variables, Some("timeout: 7s\n"));
    assert_eq!(code, Some(0));
    for line in ["server.port\t9\tMG_SERVER_PORT", "timeout\t7s\tgate.yaml", "admin.api_key\t********\tMG_ADMIN_API_KEY", "log.level\tinfo\tdefault"] {
        assert!(out.lines().any(|shown| shown == line), "{line} in {out}");
    }
    let (_, json, _) = run(&["config", "show", "--json"], &variables, None);
    let shown: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(shown["server.port"]["value"], 9);
    assert!(!out.contains("canary") && !json.contains("canary"));
}
