//! `cargo xtask`: the repository's chores, with nothing but the standard library.
#![expect(clippy::print_stdout, reason = "a chore runner talks to the terminal")]

mod docker;
mod lint;
mod product;
mod setup;
mod shell;
mod test;
mod tidy;
mod usage;

use std::process::ExitCode;

use shell::Failure;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Failure::usage(format!(
            "a command is missing\n\n{}",
            usage::help()
        )));
    };
    if let ("help" | "-h" | "--help", _) | (_, Some("-h" | "--help")) =
        (command.as_str(), rest.first().map(String::as_str))
    {
        println!("{}", usage::help());
        return Ok(());
    }
    match command.as_str() {
        "setup" => usage::alone("setup", rest).and_then(|()| setup::everything()),
        "build" => product::build(rest),
        "run" => product::run(rest),
        "clean" => usage::alone("clean", rest).and_then(|()| product::clean()),
        "test" => test::test(rest),
        "bench" => product::bench(rest),
        "lint" => usage::alone("lint", rest).and_then(|()| lint::lint()),
        "audit" => usage::alone("audit", rest).and_then(|()| lint::audit()),
        "tidy" => usage::alone("tidy", rest).and_then(|()| tidy::tidy()),
        "docker-up" => docker::up(rest),
        "docker-down" => docker::down(rest),
        unknown => Err(usage::unknown(unknown)),
    }
}
