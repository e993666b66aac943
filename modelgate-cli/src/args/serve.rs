//! Flags of `serve` and of `config`.

use std::path::PathBuf;

use bpaf::{Parser, construct, long, short};

use super::remote;
use crate::settings::{ConfigFile, Flag};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServeArgs {
    pub(crate) config: ConfigFile,
    pub(crate) flags: Vec<Flag>,
    pub(crate) demo: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigArgs {
    pub(crate) config: ConfigFile,
    pub(crate) json: bool,
}

pub(super) fn arguments() -> impl Parser<ServeArgs> {
    let demo = long("demo")
        .help("Try it: a throw-away database, a built-in backend and a ready key")
        .switch();
    let flags = long("listen")
        .help("Address and port to listen on, instead of server.host and server.port");
    let flags = flags
        .argument::<String>("HOST:PORT")
        .parse(listen)
        .fallback(Vec::new());
    let config = config();
    construct!(ServeArgs {
        demo,
        flags,
        config
    })
}

pub(super) fn config_arguments() -> impl Parser<ConfigArgs> {
    let config = config();
    let json = remote::json();
    construct!(ConfigArgs { config, json })
}

fn config() -> impl Parser<ConfigFile> {
    let path = short('c')
        .long("config")
        .help("File with settings [default: config/modelgate.yaml, if it is there]");
    path.argument::<PathBuf>("FILE")
        .map(ConfigFile::Named)
        .fallback(ConfigFile::Default)
}

/// The host and the port are checked with the other settings.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a parser hands over what it read"
)]
fn listen(text: String) -> Result<Vec<Flag>, &'static str> {
    let flag = |path, value: &str| Flag {
        name: "--listen",
        path,
        value: value.to_owned(),
    };
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.is_empty() => {
            Ok(vec![flag("server.host", host), flag("server.port", port)])
        }
        _ => Err("write HOST:PORT, such as 127.0.0.1:8080"),
    }
}
