//! `model create` and `model list`.

use serde_json::{Value, json};

use crate::args::NewModelArgs;
use crate::desk::{Desk, read_secret};
use crate::failure::Failure;
use crate::output::{Column, Output, Style};

/// Offers a model.
pub(super) async fn create(
    desk: &dyn Desk,
    asked: &NewModelArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut form = asked.form.clone();
    if let Some(file) = &asked.credential_file {
        form["api_key"] = read_secret(file, "--backend-api-key-file")?.into();
    }
    let model = desk.create_model(&form).await?;
    match output.style() {
        Style::Json => output.json(&model),
        Style::Table | Style::Lines => output.object(COLUMNS, &row(&model)),
    }
    Ok(())
}

/// Lists models.
pub(super) async fn list(desk: &dyn Desk, output: &mut Output<'_>) -> Result<(), Failure> {
    let models = desk.models().await?;
    match output.style() {
        Style::Json => output.json(&models.into()),
        Style::Table | Style::Lines => {
            output.rows(COLUMNS, &models.iter().map(row).collect::<Vec<_>>());
        }
    }
    Ok(())
}

const COLUMNS: &[Column] = &[
    ("id", "id"),
    ("name", "name"),
    ("backend", "backend"),
    ("base url", "base_url"),
    ("upstream name", "upstream_name"),
    ("context", "context_length"),
    ("enabled", "enabled"),
];

/// Models with several targets have their fields in a list.
fn row(model: &Value) -> Value {
    let field = |name: &str| match (&model[name], &model["targets"]) {
        (Value::Null, Value::Array(targets)) => {
            targets.iter().map(|target| target[name].clone()).collect()
        }
        (own, _) => own.clone(),
    };
    json!({
        "id": model["id"],
        "name": model["name"],
        "backend": field("backend_type"),
        "base_url": field("base_url"),
        "upstream_name": field("upstream_name"),
        "context_length": model["context_length"],
        "enabled": model["enabled"],
    })
}
