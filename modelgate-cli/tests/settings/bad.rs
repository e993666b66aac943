//! Bad files and variables: what each is told.

use crate::load;

/// Files that stop the start, with the line that says why.
pub(crate) const BAD_FILES: &[(&str, &str)] = &[
    (
        "sever: {port: 1}",
        "sever is no setting: did you mean server? (from gate.yaml)",
    ),
    (
        "server: {prot: 1}",
        "server.prot is no setting: did you mean server.port? (from gate.yaml)",
    ),
    (
        "port: 8080",
        "port is no setting: did you mean server.port? (from gate.yaml)",
    ),
    ("zzzzzz: 1", "zzzzzz is no setting (from gate.yaml)"),
    (
        "server: 5",
        "server is a section and holds settings, not a value (from gate.yaml)",
    ),
    (
        "server: [a]",
        "server is a section and holds settings, not a value (from gate.yaml)",
    ),
    (
        "timeout: {connect: 5s}",
        "timeout must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not a section (from gate.yaml)",
    ),
    (
        "server: {port: 65536}",
        "server.port must be a whole number from 0 to 65535, not 65536 (from gate.yaml)",
    ),
    (
        "server: {port: -1}",
        "server.port must be a whole number from 0 to 65535, not -1 (from gate.yaml)",
    ),
    (
        "server: {port: 80.5}",
        "server.port must be a whole number from 0 to 65535, not 80.5 (from gate.yaml)",
    ),
    (
        "server: {port: http}",
        "server.port must be a whole number from 0 to 65535, not \"http\" (from gate.yaml)",
    ),
    (
        "server: {port: }",
        "server.port must be a whole number from 0 to 65535, not empty (from gate.yaml)",
    ),
    (
        "server: {port: [1]}",
        "server.port must be a whole number from 0 to 65535, not a list of something else (from gate.yaml)",
    ),
    (
        "server: {host: '127.0.0.1:80'}",
        "server.host must be an IP address or a host name, without a port, not \"127.0.0.1:80\" (from gate.yaml)",
    ),
    (
        "server: {host: ''}",
        "server.host must be an IP address or a host name, without a port, not \"\" (from gate.yaml)",
    ),
    (
        "server: {trusted_proxies: [10.0.0.0/33]}",
        "server.trusted_proxies must be a list of IP addresses or networks such as 10.0.0.0/8, not \"10.0.0.0/33\" (from gate.yaml)",
    ),
    (
        "server: {request_encodings: [br]}",
        "server.request_encodings must be a list of gzip, zstd, not \"br\" (from gate.yaml)",
    ),
    (
        "server: {cors: {origins: [example.com]}}",
        "server.cors.origins must be a list of origins such as https://app.example.com, or *, not \"example.com\" (from gate.yaml)",
    ),
    (
        "server: {tls: {cert: a.pem}}",
        "server.tls.cert needs server.tls.key beside it",
    ),
    (
        "server: {tls: {key: a.pem}}",
        "server.tls.key needs server.tls.cert beside it",
    ),
    (
        "server: {admin_listen: '127.0.0.1:9000'}",
        "server.admin_listen asks for a separate address for administration, which this version does not have: leave it out (from gate.yaml)",
    ),
    (
        "shutdown: {drain: 2h}",
        "shutdown.drain must be a time from 0s to 1h, such as 500ms, 5s or 30m, not \"2h\" (from gate.yaml)",
    ),
    (
        "shutdown: {grace: -1s}",
        "shutdown.grace must be a time from 0s to 1h, such as 500ms, 5s or 30m, not \"-1s\" (from gate.yaml)",
    ),
    (
        "shutdown: {grace: true}",
        "shutdown.grace must be a time from 0s to 1h, such as 500ms, 5s or 30m, not \"true\" (from gate.yaml)",
    ),
    (
        "database: {path: ''}",
        "database.path must be a path, not \"\" (from gate.yaml)",
    ),
    (
        "database: {url: 'postgres://u:canary@db/x'}",
        "database.url asks for PostgreSQL, which this version does not have: leave it out (from gate.yaml)",
    ),
    (
        "redis: {addr: 'localhost:6379'}",
        "redis.addr asks for limits shared through Redis, which this version does not have: leave it out (from gate.yaml)",
    ),
    (
        "rate_limit: {rpm: 0}",
        "rate_limit.rpm must be a whole number from 1 to 10000000, or null for no limit, not 0 (from gate.yaml)",
    ),
    (
        "rate_limit: {rpm: many}",
        "rate_limit.rpm must be a whole number from 1 to 10000000, or null for no limit, not \"many\" (from gate.yaml)",
    ),
    (
        "rate_limit: {rpm: 10, burst: 11}",
        "rate_limit.burst must be at most rate_limit.rpm, which is 10, not 11",
    ),
    (
        "rate_limit: {rps: 5}",
        "rate_limit.rps is no setting: did you mean rate_limit.rpm? (from gate.yaml)",
    ),
    (
        "quota: {default_tokens: -5}",
        "quota.default_tokens must be a whole number from 1 to 1000000000000, or null for no limit, not -5 (from gate.yaml)",
    ),
    (
        "quota: {mode: exact}",
        "quota.mode must be one of estimate, bytes, window, not \"exact\" (from gate.yaml)",
    ),
    (
        "quota: {time_zone: Mars/Olympus}",
        "quota.time_zone must be an IANA time zone such as UTC or Europe/Berlin, not \"Mars/Olympus\" (from gate.yaml)",
    ),
    (
        "quota: {max_output: 0}",
        "quota.max_output must be a whole number from 1 to 10000000, not 0 (from gate.yaml)",
    ),
    (
        "timeout: 0s",
        "timeout must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not \"0s\" (from gate.yaml)",
    ),
    (
        "timeout: 5 parsecs",
        "timeout must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not \"5 parsecs\" (from gate.yaml)",
    ),
    (
        "timeouts: {first_token: 5s}",
        "timeouts.first_token is no setting: did you mean timeouts.first_event? (from gate.yaml)",
    ),
    (
        "metering: {fsync: always}",
        "metering.fsync asks for a choice of when rows reach the disk, which this version does not have: leave it out (from gate.yaml)",
    ),
    (
        "metering: {fsync: never}",
        "metering.fsync must be one of 1s, always, off, not \"never\" (from gate.yaml)",
    ),
    (
        "streams: {early_headers: maybe}",
        "streams.early_headers must be true or false, not \"maybe\" (from gate.yaml)",
    ),
    (
        "streams: {normalize: [ollama]}",
        "streams.normalize must be a list of vllm, llamacpp, openai, api3, not \"ollama\" (from gate.yaml)",
    ),
    (
        "upstreams: {proxy: 'u:canary@proxy'}",
        "upstreams.proxy must be the address of a proxy such as http://proxy.example.com:3128, or off, not \"…@proxy\" (from gate.yaml)",
    ),
    (
        "upstreams: {image_policy: hosts}",
        "upstreams.image_hosts and upstreams.image_policy hosts need each other",
    ),
    (
        "upstreams: {image_hosts: ['http://a']}",
        "upstreams.image_hosts must be a list of host names such as images.example.com, not \"http://a\" (from gate.yaml)",
    ),
    (
        "limits: {connections: 0}",
        "limits.connections must be a whole number from 1 to 1000000, not 0 (from gate.yaml)",
    ),
    (
        "limits: {head: 1B}",
        "limits.head must be a size from 1KiB to 1MiB, in bytes or such as 64KiB or 5MiB, not \"1B\" (from gate.yaml)",
    ),
    (
        "max_body_size: 2GiB",
        "max_body_size must be a size from 1B to 1GiB, in bytes or such as 64KiB or 5MiB, not \"2GiB\" (from gate.yaml)",
    ),
    (
        "admin: {api_key: canary with spaces}",
        "admin.api_key must be a text of 1 to 512 visible ASCII characters without spaces (from gate.yaml)",
    ),
    (
        "admin: {api_key: 12345}",
        "admin.api_key must be a text of 1 to 512 visible ASCII characters without spaces (from gate.yaml)",
    ),
    (
        "adapters: {vllm: {base_url: 'localhost:8000'}}",
        "adapters.vllm.base_url must be an address such as http://localhost:8000/v1, without user, query or fragment, not \"localhost:8000\" (from gate.yaml)",
    ),
    (
        "adapters: {api3: {base_url: 'https://u:canary@host'}}",
        "adapters.api3.base_url must be an address such as http://localhost:8000/v1, without user, query or fragment, not \"…@host\" (from gate.yaml)",
    ),
    (
        "adapters: {ollama: {base_url: 'http://169.254.169.254'}}",
        "adapters.ollama.base_url must be an address such as http://localhost:11434, not \"http://169.254.169.254\" (from gate.yaml)",
    ),
    (
        "adapters: {olama: {base_url: 'http://a'}}",
        "adapters.olama is no setting: did you mean adapters.ollama? (from gate.yaml)",
    ),
    (
        "resilience: {retries: 3}",
        "resilience.retries asks for retries and breakers, which this version does not have: leave it out (from gate.yaml)",
    ),
    (
        "sync: {on_start: 1}",
        "sync.on_start must be true or false, not 1 (from gate.yaml)",
    ),
    (
        "log: {level: loud}",
        "log.level must be error, warn, info, debug, trace or off, or directives such as info,modelgate_http=debug, not \"loud\" (from gate.yaml)",
    ),
    (
        "log: {format: xml}",
        "log.format must be one of auto, json, text, not \"xml\" (from gate.yaml)",
    ),
    (
        "timeout: 1s\ntimeout: 2s",
        "timeout stands twice, again in line 2 (from gate.yaml)",
    ),
    (
        "server:\n  port: 1\nserver:\n  host: a",
        "server stands twice, again in line 3 (from gate.yaml)",
    ),
];

#[test]
fn r26_bad_files_are_told_in_one_line() {
    for (yaml, expected) in BAD_FILES {
        let told = load(yaml, &[], &[])
            .map(|loaded| loaded.settings)
            .expect_err(yaml);
        assert_eq!(told, *expected, "{yaml}");
        assert!(!told.contains("canary"), "{told}");
    }
}

/// Variables that stop the start.
pub(crate) const BAD_VARIABLES: &[(&str, &str, &str)] = &[
    (
        "MG_SERVER_PROT",
        "1",
        "MG_SERVER_PROT is no setting: did you mean MG_SERVER_PORT?",
    ),
    (
        "MG_RATE_LIMIT",
        "5",
        "MG_RATE_LIMIT is no setting: did you mean MG_RATE_LIMIT_RPM?",
    ),
    (
        "MG_NONSENSE_OF_SOME_KIND",
        "1",
        "MG_NONSENSE_OF_SOME_KIND is no setting",
    ),
    (
        "MG_SERVER_PORT",
        "eighty",
        "server.port must be a whole number from 0 to 65535, not \"eighty\" (from MG_SERVER_PORT)",
    ),
    (
        "MG_SERVER_PORT",
        "99999999999999999999",
        "server.port must be a whole number from 0 to 65535, not \"99999999999999999999\" (from MG_SERVER_PORT)",
    ),
    (
        "MG_SYNC_ON_START",
        "yes",
        "sync.on_start must be true or false, not \"yes\" (from MG_SYNC_ON_START)",
    ),
    (
        "MG_TIMEOUTS_IDLE",
        "soon",
        "timeouts.idle must be a time from 1ms to 1d, such as 500ms, 5s or 30m, not \"soon\" (from MG_TIMEOUTS_IDLE)",
    ),
    (
        "MG_ADMIN_API_KEY",
        "canary key",
        "admin.api_key must be a text of 1 to 512 visible ASCII characters without spaces (from MG_ADMIN_API_KEY)",
    ),
    (
        "MG_REDIS_PASSWORD",
        "canary",
        "redis.password asks for limits shared through Redis, which this version does not have: leave it out (from MG_REDIS_PASSWORD)",
    ),
    (
        "MG_DATABASE_PATH",
        "a\u{1b}[31mb",
        "database.path must be a path, not \"a\\u{1b}[31mb\" (from MG_DATABASE_PATH)",
    ),
    (
        "HTTPS_PROXY",
        "socks5://proxy:1080",
        "upstreams.proxy must be the address of a proxy such as http://proxy.example.com:3128, or off, not \"socks5://proxy:1080\" (from HTTPS_PROXY)",
    ),
];

#[test]
fn r26_bad_variables_are_told_in_one_line() {
    for (name, value, expected) in BAD_VARIABLES {
        let told = load("", &[(name, value)], &[])
            .map(|loaded| loaded.settings)
            .expect_err(name);
        assert_eq!(told, *expected);
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn a_file_that_is_no_yaml_is_told_with_its_place() {
    for yaml in ["server: {port: 1", "\tserver: 1", "- a\n- b\n", "just text"] {
        let told = load(yaml, &[], &[])
            .map(|loaded| loaded.settings)
            .expect_err(yaml);
        assert!(
            told.starts_with("gate.yaml is no YAML with settings: "),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}
