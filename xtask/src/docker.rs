//! The container, through `docker compose`.

use std::process::Command;

use crate::shell::{self, Failure};

/// Builds the image and starts it in the background.
pub(crate) fn up(arguments: &[String]) -> Result<(), Failure> {
    shell::run(
        compose()?
            .args(["up", "--build", "--detach"])
            .args(arguments),
    )?;
    println!(
        "The admin key is in the first lines of: docker compose -f docker/compose.yaml logs gateway"
    );
    Ok(())
}

/// Stops and removes the container. The volume with the data stays unless `--volumes` is passed on.
pub(crate) fn down(arguments: &[String]) -> Result<(), Failure> {
    shell::run(compose()?.arg("down").args(arguments))
}

fn compose() -> Result<Command, Failure> {
    if !shell::works("docker", &["compose", "version"]) {
        return Err(Failure::new(
            "`docker compose` is missing: install Docker with its compose plugin",
        ));
    }
    let mut command = Command::new("docker");
    command
        .args(["compose", "-f", "docker/compose.yaml"])
        .current_dir(shell::root());
    Ok(command)
}
