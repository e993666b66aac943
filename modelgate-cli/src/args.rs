//! The command line: what can be typed, as one enum.

mod key;
mod model;
mod remote;
mod serve;
mod told;
mod values;

use std::ffi::OsString;

use bpaf::{OptionParser, Parser, construct, long};

pub(crate) use key::{KeyCommand, NewKeyArgs};
pub(crate) use model::{ModelCommand, NewModelArgs};
pub(crate) use remote::{RemoteArgs, SecretFile};
pub(crate) use serve::{ConfigArgs, ServeArgs};
pub(crate) use told::Told;

use crate::command::Program;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Serve(ServeArgs),
    Key(KeyCommand),
    Model(ModelCommand),
    Sync(SyncArgs),
    Verify(RemoteArgs),
    ConfigCheck(ConfigArgs),
    ConfigShow(ConfigArgs),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncArgs {
    pub(crate) remote: RemoteArgs,
    pub(crate) dry_run: bool,
    pub(crate) backend: Option<String>,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(program: Program, arguments: &[OsString]) -> Result<Command, Told> {
    parser(program).run_inner(arguments).map_err(Told::from)
}

fn parser(program: Program) -> OptionParser<Command> {
    match program {
        Program::Whole => whole(),
        Program::AdminOnly => described(
            admin(),
            "modelgate-cli",
            "Administers a running ModelGate gateway.",
        ),
    }
}

/// Without a command it serves.
fn whole() -> OptionParser<Command> {
    let serving = serve::arguments().map(Command::Serve);
    let serve = serving
        .to_options()
        .descr("Runs the gateway. This is also what happens without a command.");
    let serve = serve.usage("Usage: modelgate serve [FLAGS]");
    let serve = serve
        .header(SERVE_EXAMPLES)
        .command("serve")
        .help("Run the gateway (the default)");
    let bare = serve::arguments().map(Command::Serve);
    let (admin, config) = (admin(), config());
    described(
        construct!([serve, admin, config, bare]),
        "modelgate",
        "A gateway to language models: one OpenAI-compatible door with keys, limits, quotas and exact usage.",
    )
}

fn described(
    commands: impl Parser<Command> + 'static,
    name: &'static str,
    about: &'static str,
) -> OptionParser<Command> {
    let version = format!("{name} {}", env!("CARGO_PKG_VERSION"));
    let usage = format!("Usage: {name} [COMMAND] [FLAGS]");
    commands
        .to_options()
        .descr(about)
        .usage(usage.as_str())
        .version(version.as_str())
        .footer(ENVIRONMENT)
}

fn admin() -> impl Parser<Command> {
    let (key, model) = (
        key::commands().map(Command::Key),
        model::commands().map(Command::Model),
    );
    let (sync, verify) = (sync(), verify());
    construct!([key, model, sync, verify])
}

fn sync() -> impl Parser<Command> {
    let dry_run = long("dry-run")
        .help("Only report what would be added")
        .switch();
    let backend = values::backend("Only servers of this kind").optional();
    let remote = remote::arguments();
    let arguments = construct!(SyncArgs {
        dry_run,
        backend,
        remote
    })
    .map(Command::Sync);
    let options = arguments
        .to_options()
        .descr("Asks the configured servers for their models and adds the missing ones.");
    let options = options.usage("Usage: modelgate sync [FLAGS]");
    options
        .header(SYNC_EXAMPLES)
        .command("sync")
        .help("Find models on the configured servers")
}

fn verify() -> impl Parser<Command> {
    let options = remote::arguments().map(Command::Verify).to_options();
    let options = options.descr("Says whether the server knows the key, and whose it is.");
    let options = options.usage("Usage: modelgate verify [FLAGS]");
    options
        .header(VERIFY_EXAMPLES)
        .command("verify")
        .help("Check server and key")
}

fn config() -> impl Parser<Command> {
    let check = serve::config_arguments()
        .map(Command::ConfigCheck)
        .to_options();
    let check =
        check.descr("Reads all settings as a start would, and says what is wrong with them.");
    let check = check.header(
        "Examples:\n  modelgate config check\n  modelgate config check -c /etc/modelgate.yaml",
    );
    let check = check
        .usage("Usage: modelgate config check [FLAGS]")
        .command("check")
        .help("Say whether the settings are good");
    let show = serve::config_arguments()
        .map(Command::ConfigShow)
        .to_options();
    let show =
        show.descr("Shows each setting in force and where it comes from. Secrets are masked.");
    let show = show.header("Examples:\n  modelgate config show\n  modelgate config show --json");
    let show = show
        .usage("Usage: modelgate config show [FLAGS]")
        .command("show")
        .help("Show the settings in force and their sources");
    let both = construct!([check, show]).to_options();
    both.descr("Reads the settings.")
        .command("config")
        .help("Check or show the settings")
}

const SERVE_EXAMPLES: &str = "Examples:
  modelgate serve --demo
  modelgate serve --listen 0.0.0.0:8080 --config /etc/modelgate.yaml";
const SYNC_EXAMPLES: &str = "Examples:
  modelgate sync --dry-run
  modelgate sync -b ollama";
const VERIFY_EXAMPLES: &str = "Examples:
  modelgate verify
  modelgate verify -s https://gate.example.com --api-key-file admin.key";
const ENVIRONMENT: &str = "Environment:
  MODELGATE_SERVER   address of the server, when --server is not given
  MODELGATE_API_KEY  admin key, when no flag gives one
  MG_...             settings of the server, see config/modelgate.yaml

Exit codes:
  0 done, 1 refused, 2 wrong usage or settings, 3 server not reached, 4 database unusable";

#[cfg(test)]
mod tests;
