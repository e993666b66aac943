//! `serve --demo`: a throw-away database, the built-in backend and a ready key.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use modelgate_domain::{BackendKind, KeyName, ModelName, PlainKey};
use modelgate_ports::driving::ConsoleError;
use modelgate_ports::driving::console::{KeyPatch, ModelPatch, TargetPatch};

use crate::compose::Assembled;
use crate::failure::{Failure, causes};
use crate::settings::Flag;

/// The folder of a demonstration, removed with it.
pub(super) struct Demo {
    folder: PathBuf,
}

/// What people need to try it.
pub(super) struct Ready {
    pub(super) key: PlainKey,
    pub(super) admin: Option<PlainKey>,
    pub(super) model: &'static str,
}

const MODEL: &str = "echo";

impl Demo {
    /// Makes a folder that nobody else can look into.
    pub(super) fn new() -> Result<Self, Failure> {
        let process = std::process::id();
        let names = (0..100_u8)
            .map(|number| std::env::temp_dir().join(format!("modelgate-demo-{process}-{number}")));
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        for folder in names {
            match builder.create(&folder) {
                Ok(()) => return Ok(Self { folder }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Failure::database(format!(
                        "cannot make {}: {error}",
                        folder.display()
                    )));
                }
            }
        }
        Err(Failure::database(
            "cannot make a folder for the demonstration: all names are taken",
        ))
    }

    /// Settings that a demonstration has whatever file and variables say.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let file = |path, name: &str| Flag {
            name: "--demo",
            path,
            value: self.folder.join(name).display().to_string(),
        };
        vec![
            file("database.path", "modelgate.db"),
            file("secrets.key_file", "secret.key"),
        ]
    }

    /// Adds the model and a key without limits.
    pub(super) async fn fill(&self, assembled: &Assembled) -> Result<Ready, Failure> {
        fill(assembled)
            .await
            .map_err(|error| Failure::database(causes(&error)))
    }
}

async fn fill(assembled: &Assembled) -> Result<Ready, ConsoleError> {
    let console = &assembled.app.console;
    let target = TargetPatch {
        kind: Some(BackendKind::Echo),
        ..TargetPatch::default()
    };
    let model = ModelPatch {
        name: ModelName::new(MODEL).ok(),
        target,
        ..ModelPatch::default()
    };
    console.add_model(model).await?;
    let name = KeyName::new("demo").ok();
    let free = KeyPatch {
        name,
        quota: Some(None),
        rpm: Some(None),
        burst: Some(None),
        ..KeyPatch::default()
    };
    let issued = console.issue_key(free).await?;
    let admin = assembled
        .admin_key
        .as_ref()
        .map(|issued| issued.secret.clone());
    Ok(Ready {
        key: issued.secret,
        admin,
        model: MODEL,
    })
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("modelgate: {} stays behind: {error}", self.folder.display());
        }
    }
}
