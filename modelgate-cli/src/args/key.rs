//! `key create` and `key list`.

use bpaf::{Parser, construct, long, short};
use serde_json::{Map, Value};

use super::remote::{self, RemoteArgs};
use super::values;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyCommand {
    Create(NewKeyArgs),
    List(RemoteArgs),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewKeyArgs {
    /// What the admin API is sent: only fields that were given.
    pub(crate) form: Value,
    pub(crate) quiet: bool,
    pub(crate) remote: RemoteArgs,
}

pub(super) fn commands() -> impl Parser<KeyCommand> {
    let create = new_key().map(KeyCommand::Create).to_options();
    let create = create
        .descr("Makes a key. Its secret is shown this once.")
        .header(CREATE_EXAMPLES);
    let create = create
        .usage("Usage: modelgate key create -n NAME [FLAGS]")
        .command("create")
        .help("Make a key");
    let list = remote::arguments().map(KeyCommand::List).to_options();
    let list = list
        .descr("Lists keys with their limits and what they spent.")
        .header(LIST_EXAMPLES);
    let list = list
        .usage("Usage: modelgate key list [FLAGS]")
        .command("list")
        .help("List keys");
    let both = construct!([create, list])
        .to_options()
        .descr("Keys of clients and administrators.");
    both.command("key").long("keys").help("Make and list keys")
}

fn new_key() -> impl Parser<NewKeyArgs> {
    let form = fields();
    let quiet = long("quiet")
        .help("Write the secret and nothing else")
        .switch();
    let remote = remote::arguments();
    construct!(NewKeyArgs {
        form,
        quiet,
        remote
    })
}

/// Flags become fields of the form under the admin API's names.
fn fields() -> impl Parser<Value> {
    let name = short('n')
        .long("name")
        .help("A word people know this key by")
        .argument::<String>("NAME");
    let name = name.map(|text| ("name", Value::from(text)));
    let quota = short('q')
        .long("quota")
        .help("Tokens it may spend, or none for no limit")
        .argument::<String>("TOKENS");
    let quota = field("quota", quota.parse(values::limit));
    let period = long("period")
        .help("How often the quota begins anew: total, day, week or month")
        .argument::<String>("PERIOD");
    let period = field("quota_period", period.map(Value::from));
    let rate = short('r')
        .long("rate-limit")
        .help("Requests in any 60 seconds, or none")
        .argument::<String>("REQUESTS");
    let rate = field("rate_limit", rate.parse(values::limit));
    let burst = long("burst")
        .help("Of these, requests within one second, or none")
        .argument::<String>("REQUESTS");
    let burst = field("burst", burst.parse(values::limit));
    let tpm = long("tpm")
        .help("Tokens in any 60 seconds, or none")
        .argument::<String>("TOKENS");
    let tpm = field("tpm", tpm.parse(values::limit));
    let parallel = long("parallel")
        .help("Requests at the same time, or none")
        .argument::<String>("REQUESTS");
    let parallel = field("max_parallel", parallel.parse(values::limit));
    let ips = short('i')
        .long("allowed-ips")
        .help("Addresses and networks it may come from")
        .argument::<String>("LIST");
    let ips = field("allowed_ips", ips.map(values::list));
    let models = long("models")
        .help("Models it may use [default: all]")
        .argument::<String>("LIST");
    let models = field("allowed_models", models.map(values::list));
    let default = short('d')
        .long("default-model")
        .help("Model of requests that name none")
        .argument::<String>("MODEL");
    let default = field("default_model", default.map(values::word));
    let tier = short('t')
        .long("tier")
        .help("Free word that models may ask for")
        .argument::<String>("TIER");
    let tier = field("tier", tier.map(values::word));
    let role = long("role")
        .help("user, viewer or admin [default: user]")
        .argument::<String>("ROLE");
    let role = field("role", role.map(Value::from));
    let expires = long("expires")
        .help("When it stops working, such as 2027-01-01T00:00:00Z")
        .argument::<String>("TIME");
    let expires = field("expires_at", expires.map(values::word));
    let limits = construct!(quota, period, rate, burst, tpm, parallel);
    let limits = limits.map(|(quota, period, rate, burst, tpm, parallel)| {
        [quota, period, rate, burst, tpm, parallel]
    });
    let rights = construct!(ips, models, default, tier, role, expires);
    let rights = rights.map(|(ips, models, default, tier, role, expires)| {
        [ips, models, default, tier, role, expires]
    });
    construct!(name, limits, rights).map(|(name, limits, rights)| {
        let given = limits.into_iter().chain(rights).flatten();
        form(std::iter::once(name).chain(given))
    })
}

pub(super) type Field = (&'static str, Value);

/// A field that is sent only when its flag is given.
pub(super) fn field(name: &'static str, value: impl Parser<Value>) -> impl Parser<Option<Field>> {
    value.map(move |value| (name, value)).optional()
}

pub(super) fn form(fields: impl Iterator<Item = Field>) -> Value {
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<Map<_, _>>()
        .into()
}

const CREATE_EXAMPLES: &str = "Examples:
  modelgate key create -n ci --quiet
  modelgate key create -n alice -q 500000 --period month -r 30 -i 10.0.0.0/8";
const LIST_EXAMPLES: &str = "Examples:
  modelgate key list
  modelgate key list --json";
