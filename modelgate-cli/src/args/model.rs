//! `model create` and `model list`.

use bpaf::{Parser, construct, long, short};
use serde_json::Value;

use super::key::{field, form};
use super::remote::{self, RemoteArgs, SecretFile, secret_file};
use super::values;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelCommand {
    Create(NewModelArgs),
    List(RemoteArgs),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewModelArgs {
    /// What the admin API is sent: only fields that were given.
    pub(crate) form: Value,
    /// Where the backend's credential is read from.
    pub(crate) credential_file: Option<SecretFile>,
    pub(crate) remote: RemoteArgs,
}

pub(super) fn commands() -> impl Parser<ModelCommand> {
    let create = new_model().map(ModelCommand::Create).to_options();
    let create = create
        .descr("Offers a model of a backend to clients.")
        .header(CREATE_EXAMPLES);
    let create = create
        .usage("Usage: modelgate model create -n NAME -b KIND [FLAGS]")
        .command("create")
        .help("Offer a model");
    let list = remote::arguments().map(ModelCommand::List).to_options();
    let list = list
        .descr("Lists models and the servers they are on.")
        .header(LIST_EXAMPLES);
    let list = list
        .usage("Usage: modelgate model list [FLAGS]")
        .command("list")
        .help("List models");
    let both = construct!([create, list])
        .to_options()
        .descr("Models that clients may use.");
    both.command("model")
        .long("models")
        .help("Offer and list models")
}

fn new_model() -> impl Parser<NewModelArgs> {
    let form = fields();
    let credential_file = secret_file(
        "backend-api-key-file",
        "File with the backend's credential, or - for standard input",
    );
    let remote = remote::arguments();
    construct!(NewModelArgs {
        form,
        credential_file,
        remote
    })
}

fn fields() -> impl Parser<Value> {
    let name = short('n')
        .long("name")
        .help("What clients say in 'model'")
        .argument::<String>("NAME");
    let name = name.map(|text| ("name", Value::from(text)));
    let backend = values::backend("Kind of server: ollama, vllm, llamacpp, openai, api3 or echo");
    let backend = backend.map(|kind| ("backend_type", Value::from(kind)));
    let url = short('u')
        .long("base-url")
        .help("Where the server is")
        .argument::<String>("URL");
    let url = field("base_url", url.map(Value::from));
    let upstream = long("upstream-name")
        .help("What the server calls the model [default: NAME]")
        .argument::<String>("NAME");
    let upstream = field("upstream_name", upstream.map(Value::from));
    let credential = short('p')
        .long("backend-api-key")
        .help("The server's credential; prefer --backend-api-key-file");
    let credential = field(
        "api_key",
        credential.argument::<String>("KEY").map(Value::from),
    );
    let enabled = field(
        "enabled",
        values::truth("enabled", 'e', "Whether it is offered [default: true]").map(Value::from),
    );
    let alias = long("alias")
        .help("Another name for it; may be repeated")
        .argument::<String>("NAME");
    let aliases = alias
        .many()
        .map(|names| (!names.is_empty()).then(|| ("aliases", Value::from(names))));
    let tier = short('t')
        .long("tier")
        .help("Tier of keys that may use it; may be repeated [default: all]");
    let tiers = tier.argument::<String>("TIER").many();
    let tiers = tiers.map(|names| (!names.is_empty()).then(|| ("tiers", Value::from(names))));
    let rest = construct!(url, upstream, credential, enabled, aliases, tiers);
    let rest = rest.map(|(url, upstream, credential, enabled, aliases, tiers)| {
        [url, upstream, credential, enabled, aliases, tiers]
    });
    construct!(name, backend, rest).map(|(name, backend, rest)| {
        let required = [name, backend].into_iter();
        form(required.chain(rest.into_iter().flatten()))
    })
}

const CREATE_EXAMPLES: &str = "Examples:
  modelgate model create -n qwen3:8b -b ollama -u http://localhost:11434
  modelgate model create -n gpt -b openai -u https://api.openai.com/v1 --upstream-name gpt-5 --backend-api-key-file key.txt";
const LIST_EXAMPLES: &str = "Examples:
  modelgate model list
  modelgate model list --json";
