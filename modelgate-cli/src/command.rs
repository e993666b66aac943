//! From arguments to an exit code: parse, run one command, tell what went wrong.

mod config;
mod key;
mod model;
mod serve;
mod sync;
mod verify;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::args::{self, Command, KeyCommand, ModelCommand, RemoteArgs, Told};
use crate::desk::RemoteDesk;
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::settings::Environment;

/// Which of the two programs runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `modelgate`: everything.
    Whole,
    /// `modelgate-cli`: administration only.
    AdminOnly,
}

/// Runs the program with the arguments after its name.
pub fn run(program: Program, arguments: &[OsString]) -> ExitCode {
    let environment = Environment::of_process();
    let command = match args::parse(program, arguments) {
        Ok(command) => command,
        Err(Told::Help(text)) => {
            Output::new(&mut std::io::stdout(), Style::Lines).line(text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(Told::Wrong(text)) => return report(&Failure::usage(text), wants_json(arguments)),
    };
    match dispatch(&command, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure, style(&command)),
    }
}

fn dispatch(command: &Command, environment: &Environment) -> Result<(), Failure> {
    if let Command::Serve(asked) = command {
        return serve::serve(asked, environment);
    }
    let mut stdout = std::io::stdout();
    let mut output = Output::new(&mut stdout, style(command));
    match command {
        Command::ConfigCheck(asked) => config::check(asked, environment, &mut output),
        Command::ConfigShow(asked) => config::show(asked, environment, &mut output),
        _ => administer(command, environment, &mut output),
    }
}

/// Commands that talk to a server need no more than one thread.
fn administer(
    command: &Command,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let Some(remote) = remote(command) else {
        return Ok(());
    };
    let desk = RemoteDesk::new(remote, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::start(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        match command {
            Command::Key(KeyCommand::Create(asked)) => key::create(&desk, asked, output).await,
            Command::Key(KeyCommand::List(_)) => key::list(&desk, output).await,
            Command::Model(ModelCommand::Create(asked)) => {
                model::create(&desk, asked, output).await
            }
            Command::Model(ModelCommand::List(_)) => model::list(&desk, output).await,
            Command::Sync(asked) => sync::sync(&desk, asked, output).await,
            Command::Verify(_) => verify::verify(&desk, desk.server(), output).await,
            Command::Serve(_) | Command::ConfigCheck(_) | Command::ConfigShow(_) => Ok(()),
        }
    })
}

fn remote(command: &Command) -> Option<&RemoteArgs> {
    match command {
        Command::Key(KeyCommand::Create(asked)) => Some(&asked.remote),
        Command::Model(ModelCommand::Create(asked)) => Some(&asked.remote),
        Command::Sync(asked) => Some(&asked.remote),
        Command::Key(KeyCommand::List(remote))
        | Command::Model(ModelCommand::List(remote))
        | Command::Verify(remote) => Some(remote),
        Command::Serve(_) | Command::ConfigCheck(_) | Command::ConfigShow(_) => None,
    }
}

fn style(command: &Command) -> Style {
    let json = match command {
        Command::ConfigCheck(asked) | Command::ConfigShow(asked) => asked.json,
        other => remote(other).is_some_and(|remote| remote.json),
    };
    Style::of_stdout(json.into())
}

/// Arguments that were not understood still say how the error is to be written.
fn wants_json(arguments: &[OsString]) -> Style {
    Style::of_stdout(arguments.iter().any(|argument| argument == "--json").into())
}

fn report(failure: &Failure, style: Style) -> ExitCode {
    let text = match style {
        Style::Json => failure.object().to_string(),
        Style::Table | Style::Lines => failure.line(),
    };
    let _closed = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(failure.code())
}
