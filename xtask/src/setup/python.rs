//! A virtual environment under the target directory, with the Python client in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stamp::Stamp;
use super::system;
use crate::shell::{self, Failure};

const OLDEST: (u32, u32) = (3, 10);

/// Makes the environment match `requirements.txt`; the answer is its interpreter.
pub(super) fn prepare(suite: &Path) -> Result<PathBuf, Failure> {
    let requirements = suite.join("requirements.txt");
    let folder = shell::target()?.join("venv");
    let interpreter = folder.join("bin/python");
    if !shell::works(&interpreter, &["-m", "pip", "--version"]) {
        create(&folder)?;
    }
    let stamp = Stamp::of(&requirements, &folder)?;
    if !stamp.is_current() {
        let arguments = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ];
        shell::run(
            Command::new(&interpreter)
                .args(arguments)
                .arg(&requirements),
        )?;
        stamp.write()?;
    }
    Ok(interpreter)
}

fn create(folder: &Path) -> Result<(), Failure> {
    find()?;
    shell::remove_folder(folder)?;
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(folder))
}

/// A Python of the system that is new enough and can make environments.
fn find() -> Result<(), Failure> {
    if !shell::works("python3", &["-c", "import ensurepip, venv"]) {
        system::install("Python 3 with venv", &["python3", "python3-venv"])?;
    }
    let said = shell::answer(Command::new("python3").arg("--version")).unwrap_or_default();
    match system::version(&said) {
        Some(found) if found >= OLDEST => Ok(()),
        _ => Err(Failure::new(format!(
            "the Python client needs Python {}.{} or newer and `python3 --version` says `{said}`: install a newer one",
            OLDEST.0, OLDEST.1
        ))),
    }
}
