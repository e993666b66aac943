//! Reading secrets: from a flag, a file, standard input or the environment, never echoed.

use std::io::{IsTerminal, Read};

use modelgate_domain::PlainKey;

use crate::args::{RemoteArgs, SecretFile};
use crate::failure::Failure;
use crate::settings::Environment;

/// The admin key: from `--api-key`, `--api-key-file` or `MODELGATE_API_KEY`, in this order.
pub(super) fn api_key(asked: &RemoteArgs, environment: &Environment) -> Result<PlainKey, Failure> {
    let text = match (
        &asked.api_key,
        &asked.api_key_file,
        environment.get("MODELGATE_API_KEY"),
    ) {
        (Some(text), _, _) => {
            warn_about_history();
            text.clone()
        }
        (None, Some(file), _) => read_secret(file, "--api-key-file")?,
        (None, None, Some(text)) => text.to_owned(),
        (None, None, None) => {
            return Err(Failure::usage(
                "no API key: set MODELGATE_API_KEY, or give --api-key-file",
            ));
        }
    };
    PlainKey::presented(text.trim())
        .ok_or_else(|| Failure::usage("the API key holds characters that no key has"))
}

/// The first line of a file or of standard input.
pub(crate) fn read_secret(file: &SecretFile, flag: &str) -> Result<String, Failure> {
    let read = match file {
        SecretFile::Path(path) => std::fs::read_to_string(path),
        SecretFile::Stdin => {
            let mut text = String::new();
            std::io::stdin()
                .lock()
                .take(1 << 16)
                .read_to_string(&mut text)
                .map(|_| text)
        }
    };
    let text = read.map_err(|error| Failure::usage(format!("{flag} cannot be read: {error}")))?;
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Failure::usage(format!("{flag} is empty"))),
    }
}

fn warn_about_history() {
    if std::io::stderr().is_terminal() {
        eprintln!(
            "modelgate: a key on the command line stays in the shell's history; MODELGATE_API_KEY does not"
        );
    }
}
