//! A model as people write it.

use modelgate_domain::{BackendKind, ModelName, Secret, TargetId};
use modelgate_ports::driving::console::{ModelPatch, OptionsPatch, TargetPatch};

use super::KINDS;
use crate::form::{Form, FormError};

/// Longest context, in tokens.
const LONGEST_CONTEXT: i64 = 1_000_000_000;
/// Longest word, in bytes.
const LONGEST_WORD: usize = 64;
const CREDENTIAL: &str = "must be 1 to 4096 visible ASCII characters";

/// The fields that a form names.
pub(super) fn patch(mut form: Form) -> Result<ModelPatch, FormError> {
    let targets = form.objects("targets")?;
    let targets = targets
        .map(|forms| {
            forms
                .into_iter()
                .map(listed_target)
                .collect::<Result<_, _>>()
        })
        .transpose()?;
    let patch = ModelPatch {
        name: name(&mut form)?,
        aliases: aliases(&mut form)?,
        enabled: form.flag("enabled")?,
        tiers: tiers(&mut form)?,
        options: form
            .object("options")?
            .map(options)
            .transpose()?
            .unwrap_or_default(),
        context_length: form.nullable("context_length", |form, field| {
            Ok(form
                .integer(field, 1, LONGEST_CONTEXT)?
                .and_then(|tokens| u64::try_from(tokens).ok()))
        })?,
        target: target(&mut form)?,
        targets,
    };
    form.finish()?;
    Ok(patch)
}

fn listed_target(mut form: Form) -> Result<TargetPatch, FormError> {
    let id = form.integer("id", 1, i64::MAX)?.map(TargetId);
    let patch = TargetPatch {
        id,
        ..target(&mut form)?
    };
    form.finish()?;
    Ok(patch)
}

fn target(form: &mut Form) -> Result<TargetPatch, FormError> {
    Ok(TargetPatch {
        id: None,
        kind: form.parsed("backend_type", KINDS, BackendKind::parse)?,
        base_url: form.text("base_url")?,
        upstream_name: form.text("upstream_name")?,
        credential: form.nullable("api_key", |form, field| {
            form.parsed(field, CREDENTIAL, Secret::new)
        })?,
        priority: priority(form)?,
    })
}

fn priority(form: &mut Form) -> Result<Option<i32>, FormError> {
    let number = form.integer("priority", -1_000, 1_000)?;
    Ok(number.and_then(|number| i32::try_from(number).ok()))
}

fn options(mut form: Form) -> Result<OptionsPatch, FormError> {
    let patch = OptionsPatch {
        num_ctx: form.nullable("num_ctx", |form, field| {
            Ok(form
                .integer(field, 1, LONGEST_CONTEXT)?
                .and_then(|tokens| u32::try_from(tokens).ok()))
        })?,
        keep_alive: form.nullable("keep_alive", |form, field| {
            form.parsed(field, "must be a time such as 5m, 0 or -1", keep_alive)
        })?,
        openai_api: form.flag("openai_api")?,
        truncate: form.flag("truncate")?,
    };
    form.finish()?;
    Ok(patch)
}

/// Digits with units, as Ollama reads them; a minus in front means for ever.
fn keep_alive(text: &str) -> Option<String> {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let is_time = rest.starts_with(|first: char| first.is_ascii_digit())
        && rest
            .chars()
            .all(|letter| letter.is_ascii_digit() || "hmsnu.".contains(letter));
    (is_time && text.len() <= LONGEST_WORD).then(|| text.to_owned())
}

fn name(form: &mut Form) -> Result<Option<ModelName>, FormError> {
    let Some(text) = form.text("name")? else {
        return Ok(None);
    };
    model_name("name", &text).map(Some)
}

fn aliases(form: &mut Form) -> Result<Option<Vec<ModelName>>, FormError> {
    let Some(names) = form.listed("aliases")? else {
        return Ok(None);
    };
    let names = names
        .iter()
        .enumerate()
        .map(|(index, name)| model_name(&format!("aliases[{index}]"), name));
    names.collect::<Result<_, _>>().map(Some)
}

fn model_name(param: &str, text: &str) -> Result<ModelName, FormError> {
    ModelName::new(text).map_err(|error| FormError::value(param, &error.to_string()))
}

fn tiers(form: &mut Form) -> Result<Option<Vec<String>>, FormError> {
    let Some(tiers) = form.listed("tiers")? else {
        return Ok(None);
    };
    let is_bad = |tier: &String| {
        tier.trim().is_empty() || tier.len() > LONGEST_WORD || tier.chars().any(char::is_control)
    };
    match tiers.iter().position(is_bad) {
        Some(index) => Err(FormError::value(
            &format!("tiers[{index}]"),
            "must be 1 to 64 bytes without control characters",
        )),
        None => Ok(Some(tiers)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ModelPatch, FormError> {
        patch(Form::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_model_has_the_fields_of_its_only_target_or_a_list() {
        let single = read(r#"{"name":"m","backend_type":"vllm","base_url":"http://h","upstream_name":"u","api_key":"k","priority":2}"#).unwrap();
        assert_eq!(single.target.kind, Some(BackendKind::Vllm));
        assert_eq!(single.target.base_url.as_deref(), Some("http://h"));
        assert_eq!(single.target.credential, Some(Secret::new("k")));
        assert_eq!((single.target.priority, single.targets), (Some(2), None));
        let several =
            read(r#"{"targets":[{"id":7,"api_key":null},{"backend_type":"echo"}]}"#).unwrap();
        let targets = several.targets.unwrap();
        assert_eq!(
            (targets[0].id, &targets[0].credential),
            (Some(TargetId(7)), &Some(None))
        );
        assert_eq!(targets[1].kind, Some(BackendKind::Echo));
        assert_eq!(several.target, TargetPatch::default());
    }

    #[test]
    fn options_are_set_one_by_one() {
        let options = read(r#"{"options":{"num_ctx":8192,"keep_alive":"-1","openai_api":true}}"#)
            .unwrap()
            .options;
        let expected = OptionsPatch {
            num_ctx: Some(Some(8192)),
            keep_alive: Some(Some("-1".to_owned())),
            openai_api: Some(true),
            truncate: None,
        };
        assert_eq!(options, expected);
        let cleared =
            read(r#"{"options":{"num_ctx":null,"keep_alive":null},"context_length":null}"#)
                .unwrap();
        assert_eq!(
            (cleared.options.num_ctx, cleared.options.keep_alive),
            (Some(None), Some(None))
        );
        assert_eq!(cleared.context_length, Some(None));
    }

    #[test]
    fn faults_are_named() {
        let check = |text: &str, param: &str, code: &str| {
            let error = read(text).unwrap_err();
            assert_eq!(
                (error.param.as_deref(), error.code),
                (Some(param), Some(code)),
                "{text}"
            );
        };
        for field in ["id", "created_at", "has_api_key", "capabilities", "x"] {
            check(&format!("{{\"{field}\":1}}"), field, "unknown_parameter");
        }
        check(r#"{"name":" m"}"#, "name", "invalid_value");
        check(r#"{"name":null}"#, "name", "invalid_type");
        check(
            r#"{"backend_type":"nginx"}"#,
            "backend_type",
            "invalid_value",
        );
        check(r#"{"base_url":5}"#, "base_url", "invalid_type");
        check(r#"{"api_key":"two words"}"#, "api_key", "invalid_value");
        check(r#"{"aliases":["a",""]}"#, "aliases[1]", "invalid_value");
        check(r#"{"tiers":["a","\u0007"]}"#, "tiers[1]", "invalid_value");
        check(
            r#"{"options":{"num_ctx":0}}"#,
            "options.num_ctx",
            "invalid_value",
        );
        check(
            r#"{"options":{"keep_alive":"long"}}"#,
            "options.keep_alive",
            "invalid_value",
        );
        check(r#"{"options":{"x":1}}"#, "options.x", "unknown_parameter");
        check(
            r#"{"targets":[{"backend_type":"echo"},{"url":"x"}]}"#,
            "targets[1].url",
            "unknown_parameter",
        );
        check(
            r#"{"targets":[{"id":0}]}"#,
            "targets[0].id",
            "invalid_value",
        );
        check(r#"{"targets":5}"#, "targets", "invalid_type");
        check(r#"{"priority":5000}"#, "priority", "invalid_value");
        check(
            r#"{"context_length":1.5}"#,
            "context_length",
            "invalid_type",
        );
    }
}
