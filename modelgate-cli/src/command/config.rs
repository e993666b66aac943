//! `config check` and `config show`.

use serde_json::{Map, Value, json};

use crate::args::ConfigArgs;
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::settings::{Environment, Loaded, Shown};

/// Reads the settings as a start would.
pub(super) fn check(
    asked: &ConfigArgs,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    load(asked, environment)?;
    match output.style() {
        Style::Json => output.json(&json!({"valid": true})),
        Style::Table | Style::Lines => output.line("the settings are good"),
    }
    Ok(())
}

/// Shows every setting in force.
pub(super) fn show(
    asked: &ConfigArgs,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let shown = load(asked, environment)?.shown();
    match output.style() {
        Style::Json => output.json(&by_path(shown)),
        Style::Table | Style::Lines => {
            output.rows(COLUMNS, &shown.into_iter().map(row).collect::<Vec<_>>());
        }
    }
    Ok(())
}

const COLUMNS: &[(&str, &str)] = &[
    ("setting", "setting"),
    ("value", "value"),
    ("source", "source"),
];

fn load(asked: &ConfigArgs, environment: &Environment) -> Result<Loaded, Failure> {
    Loaded::from(&asked.config, environment, &[]).map_err(|error| Failure::usage(error.to_string()))
}

fn row(shown: Shown) -> Value {
    // As YAML has it, so that a value can be copied into a file.
    let value = match shown.value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    json!({"setting": shown.path, "value": value, "source": shown.source})
}

fn by_path(shown: Vec<Shown>) -> Value {
    let entry = |shown: Shown| {
        (
            shown.path.to_owned(),
            json!({"value": shown.value, "source": shown.source}),
        )
    };
    shown.into_iter().map(entry).collect::<Map<_, _>>().into()
}
