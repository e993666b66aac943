//! What the tests need beyond Rust: found, installed where this user may, or asked for in one line.

mod node;
mod python;
mod stamp;
mod system;

use std::path::PathBuf;

use crate::shell::{self, Failure};

/// All of it.
pub(crate) fn everything() -> Result<(), Failure> {
    compiler()?;
    clients()?;
    println!("setup: C compiler, Python and Node packages are in place");
    Ok(())
}

/// SQLite, ring and zstd are compiled from C.
pub(crate) fn compiler() -> Result<(), Failure> {
    if shell::works("cc", &["--version"]) {
        return Ok(());
    }
    system::install("a C compiler", &["gcc", "libc6-dev"])
}

/// The official clients' packages; the answer is the Python that has them.
pub(crate) fn clients() -> Result<PathBuf, Failure> {
    let interpreter = python::prepare(&suites().join("python"))?;
    node::prepare(&suites().join("node"))?;
    Ok(interpreter)
}

/// Where npm puts the Node client's packages.
pub(crate) fn node_modules() -> PathBuf {
    suites().join("node/node_modules")
}

/// The client suites: `python` with its `requirements.txt`, `node` with its `package.json`.
fn suites() -> PathBuf {
    shell::root().join("modelgate-cli/tests/clients")
}
