//! Where the server is, who asks, and how the answer is written: flags of every command that talks to a server.

use std::path::PathBuf;
use std::time::Duration;

use bpaf::{Parser, construct, long, short};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteArgs {
    pub(crate) server: Option<String>,
    pub(crate) api_key: Option<String>,
    pub(crate) api_key_file: Option<SecretFile>,
    pub(crate) timeout: Duration,
    pub(crate) json: bool,
}

/// Where a secret is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretFile {
    Stdin,
    Path(PathBuf),
}

pub(super) fn arguments() -> impl Parser<RemoteArgs> {
    let server = short('s')
        .long("server")
        .help("Server to talk to [default: http://127.0.0.1:8080]");
    let server = server.argument::<String>("URL").optional();
    let api_key = short('k')
        .long("api-key")
        .help("Admin key; other users of this machine can see it, so prefer MODELGATE_API_KEY");
    let api_key = api_key.argument::<String>("KEY").optional();
    let api_key_file = secret_file(
        "api-key-file",
        "File with the admin key, or - for standard input",
    );
    let timeout = long("timeout").help("Longest wait for an answer, in seconds [default: 30]");
    let timeout = timeout
        .argument::<u64>("SECONDS")
        .guard(|&seconds| seconds > 0, "write a number from 1");
    let timeout = timeout.fallback(30).map(Duration::from_secs);
    let json = json();
    construct!(RemoteArgs {
        server,
        api_key,
        api_key_file,
        timeout,
        json
    })
}

pub(super) fn json() -> impl Parser<bool> {
    long("json").help("Write JSON, errors too").switch()
}

pub(super) fn secret_file(
    name: &'static str,
    help: &'static str,
) -> impl Parser<Option<SecretFile>> {
    let path = long(name).help(help).argument::<PathBuf>("FILE");
    let file = |path: PathBuf| {
        if path.as_os_str() == "-" {
            SecretFile::Stdin
        } else {
            SecretFile::Path(path)
        }
    };
    path.map(file).optional()
}
