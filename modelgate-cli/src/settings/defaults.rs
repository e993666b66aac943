//! The settings of an operator who set nothing.

use std::time::Duration;

use super::Settings;
use super::sections::{
    Adapter, Adapters, Admin, Cors, Database, Limits, Log, Quota, QuotaMode, RateLimit, Secrets,
    Server, Shutdown, Streams, Sync, Timeouts, Tls, Upstreams,
};

const MINUTE: u64 = 60;

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Server::default(),
            shutdown: Shutdown {
                grace: Duration::from_secs(5),
                drain: Duration::from_secs(25),
            },
            database: Database {
                path: "./data/modelgate.db".into(),
            },
            rate_limit: RateLimit {
                rpm: Some(60),
                burst: None,
            },
            quota: Quota::default(),
            timeout: Duration::from_secs(5 * MINUTE),
            timeouts: Timeouts::default(),
            streams: Streams::default(),
            upstreams: Upstreams::default(),
            limits: Limits::default(),
            max_body_size: 5 << 20,
            admin: Admin::default(),
            adapters: Adapters::default(),
            sync: Sync { on_start: true },
            log: Log {
                level: "info".to_owned(),
                format: "auto".to_owned(),
            },
            secrets: Secrets {
                key_file: "./data/secret.key".into(),
                key: None,
            },
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
            trusted_proxies: Vec::new(),
            tls: Tls::default(),
            request_encodings: Vec::new(),
            cors: Cors::default(),
        }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            default_tokens: Some(1_000_000),
            mode: QuotaMode::Estimate,
            time_zone: "UTC".to_owned(),
            max_output: 8192,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_event: Duration::from_secs(5 * MINUTE),
            idle: Duration::from_secs(MINUTE),
            stream: Duration::from_secs(30 * MINUTE),
        }
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(15),
            early_headers: false,
            normalize: vec!["api3".to_owned()],
            reasoning_field: "reasoning_content".to_owned(),
            strict_params: false,
        }
    }
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            deny_private: false,
            ca_file: None,
            proxy: None,
            image_policy: "allow".to_owned(),
            image_hosts: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            in_flight: 5_000,
            head: 64 << 10,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for Adapters {
    fn default() -> Self {
        let at = |url: &str| Adapter {
            base_url: Some(url.to_owned()),
            api_key: None,
        };
        Self {
            ollama: at("http://localhost:11434"),
            vllm: at("http://localhost:8000/v1"),
            llamacpp: at("http://localhost:8082/v1"),
            openai: at("https://api.openai.com/v1"),
            api3: Adapter::default(),
        }
    }
}
