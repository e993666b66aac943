//! A key as people write it.

use std::time::Duration;

use modelgate_domain::time::Period;
use modelgate_domain::{AllowList, KeyName, KeyStatus, ModelName, Role, Timestamp};
use modelgate_ports::driving::console::KeyPatch;

use crate::form::{Form, FormError, Nullable};

/// Most tokens: the largest number that every JSON reader keeps exact.
const MOST_TOKENS: i64 = (1 << 53) - 1;
/// Most requests per minute or at a time.
const MOST_REQUESTS: i64 = 1_000_000_000;
/// Longest tier, in bytes.
const LONGEST_TIER: usize = 64;
/// Longest time that an old secret goes on working.
const LONGEST_OVERLAP: Duration = Duration::from_secs(365 * 86_400);

/// The fields that a form names.
pub(super) fn patch(mut form: Form) -> Result<KeyPatch, FormError> {
    let patch = KeyPatch {
        name: name(&mut form)?,
        role: form.parsed("role", "must be user, viewer or admin", Role::parse)?,
        status: form.parsed("status", "must be active or disabled", status)?,
        tier: form.nullable("tier", |form, field| {
            form.parsed(
                field,
                "must be 1 to 64 bytes without control characters",
                tier,
            )
        })?,
        default_model: form.nullable("default_model", |form, field| {
            form.parsed(field, "must be the name of a model", |text| {
                ModelName::new(text).ok()
            })
        })?,
        allowed_models: allowed_models(&mut form)?,
        allowed_ips: allowed_ips(&mut form)?,
        rpm: requests(&mut form, "rate_limit")?,
        burst: requests(&mut form, "burst")?,
        tpm: tokens(&mut form, "tpm")?,
        max_parallel: requests(&mut form, "max_parallel")?,
        quota: tokens(&mut form, "quota")?,
        quota_period: form.parsed(
            "quota_period",
            "must be total, day, week or month",
            Period::parse,
        )?,
        expires_at: form.nullable("expires_at", |form, field| {
            form.parsed(
                field,
                "must be a time such as 2026-12-31T23:59:59Z",
                |text| Timestamp::parse(text).ok(),
            )
        })?,
    };
    form.finish()?;
    Ok(patch)
}

/// How long the old secret goes on working: seconds, or a text such as `30s`, `15m`, `1h`, `7d`.
pub(super) fn overlap(mut form: Form) -> Result<Duration, FormError> {
    const EXPECTED: &str = "must be seconds, or a time such as 30s, 15m, 1h or 7d, up to 365d";
    let span = match form.any("overlap") {
        None | Some(serde_json::Value::Null) => Some(Duration::ZERO),
        Some(serde_json::Value::Number(seconds)) => seconds.as_u64().map(Duration::from_secs),
        Some(serde_json::Value::String(text)) => span(&text),
        Some(_) => None,
    };
    let span = span
        .filter(|span| *span <= LONGEST_OVERLAP)
        .ok_or_else(|| FormError::value("overlap", EXPECTED))?;
    form.finish()?;
    Ok(span)
}

fn span(text: &str) -> Option<Duration> {
    let unit_at = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(seconds)
        .map(Duration::from_secs)
}

fn name(form: &mut Form) -> Result<Option<KeyName>, FormError> {
    let Some(text) = form.text("name")? else {
        return Ok(None);
    };
    KeyName::new(&text)
        .map(Some)
        .map_err(|error| FormError::value("name", &error.to_string()))
}

/// Revoking is another call, because there is no way back.
fn status(text: &str) -> Option<KeyStatus> {
    KeyStatus::parse(text).filter(|status| *status != KeyStatus::Revoked)
}

fn tier(text: &str) -> Option<String> {
    let is_good = !text.trim().is_empty()
        && text.len() <= LONGEST_TIER
        && !text.chars().any(char::is_control);
    is_good.then(|| text.to_owned())
}

/// `null` means the same as an empty list: all of them.
fn allowed_models(form: &mut Form) -> Result<Option<Vec<ModelName>>, FormError> {
    let Some(names) = form.nullable("allowed_models", Form::listed)? else {
        return Ok(None);
    };
    let names = names
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            ModelName::new(&name).map_err(|error| {
                FormError::value(&format!("allowed_models[{index}]"), &error.to_string())
            })
        });
    names.collect::<Result<_, _>>().map(Some)
}

fn allowed_ips(form: &mut Form) -> Result<Option<AllowList>, FormError> {
    let Some(entries) = form.nullable("allowed_ips", Form::listed)? else {
        return Ok(None);
    };
    let entries = entries.unwrap_or_default();
    let list = AllowList::parse(entries.iter().map(String::as_str));
    list.map(Some)
        .map_err(|error| FormError::value("allowed_ips", &format!("is wrong: {error}")))
}

fn requests(form: &mut Form, field: &str) -> Result<Nullable<u32>, FormError> {
    form.nullable(field, |form, field| {
        let number = form.integer(field, 1, MOST_REQUESTS)?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    })
}

fn tokens(form: &mut Form, field: &str) -> Result<Nullable<u64>, FormError> {
    form.nullable(field, |form, field| {
        let number = form.integer(field, 1, MOST_TOKENS)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<KeyPatch, FormError> {
        patch(Form::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_form_names_what_it_sets() {
        assert_eq!(read("{}").unwrap(), KeyPatch::default());
        let full = read(
            r#"{"name":"ci","role":"viewer","status":"disabled","tier":"gold","default_model":"m","allowed_models":["m","n"],
                "allowed_ips":"10.0.0.0/8,::1","rate_limit":5,"burst":2,"tpm":1000,"max_parallel":3,"quota":10,
                "quota_period":"day","expires_at":"2026-12-31T23:59:59Z"}"#,
        )
        .unwrap();
        assert_eq!(full.name.unwrap().as_str(), "ci");
        assert_eq!(
            (full.role, full.status),
            (Some(Role::Viewer), Some(KeyStatus::Disabled))
        );
        assert_eq!(full.tier, Some(Some("gold".to_owned())));
        assert_eq!(full.allowed_models.unwrap().len(), 2);
        assert_eq!(
            full.allowed_ips.unwrap().entries().collect::<Vec<_>>(),
            ["10.0.0.0/8", "::1"]
        );
        assert_eq!(
            (full.rpm, full.burst, full.max_parallel),
            (Some(Some(5)), Some(Some(2)), Some(Some(3)))
        );
        assert_eq!((full.tpm, full.quota), (Some(Some(1000)), Some(Some(10))));
        assert_eq!(full.quota_period, Some(Period::Day));
        assert_eq!(
            full.expires_at.flatten().unwrap().to_rfc3339(),
            "2026-12-31T23:59:59.000Z"
        );
    }

    #[test]
    fn null_clears_what_can_be_cleared() {
        let cleared = read(r#"{"tier":null,"default_model":null,"allowed_models":null,"allowed_ips":null,"rate_limit":null,"burst":null,"tpm":null,"max_parallel":null,"quota":null,"expires_at":null}"#).unwrap();
        let expected = KeyPatch {
            tier: Some(None),
            default_model: Some(None),
            allowed_models: Some(Vec::new()),
            allowed_ips: Some(AllowList::default()),
            rpm: Some(None),
            burst: Some(None),
            tpm: Some(None),
            max_parallel: Some(None),
            quota: Some(None),
            expires_at: Some(None),
            ..KeyPatch::default()
        };
        assert_eq!(cleared, expected);
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
        for field in [
            "id",
            "key",
            "prefix",
            "last4",
            "quota_used",
            "quota_reserved",
            "created_at",
            "last_used_at",
            "admin",
            "x",
        ] {
            check(&format!("{{\"{field}\":1}}"), field, "unknown_parameter");
        }
        for field in ["rate_limit", "burst", "tpm", "max_parallel", "quota"] {
            check(&format!("{{\"{field}\":0}}"), field, "invalid_value");
            check(&format!("{{\"{field}\":-5}}"), field, "invalid_value");
            check(&format!("{{\"{field}\":1e400}}"), field, "invalid_type");
            check(&format!("{{\"{field}\":\"5\"}}"), field, "invalid_type");
        }
        for field in ["name", "role", "status", "quota_period"] {
            check(&format!("{{\"{field}\":null}}"), field, "invalid_type");
        }
        check(r#"{"name":""}"#, "name", "invalid_value");
        check(r#"{"name":"a\u0000"}"#, "name", "invalid_value");
        check(r#"{"role":"root"}"#, "role", "invalid_value");
        check(r#"{"status":"revoked"}"#, "status", "invalid_value");
        check(r#"{"tier":" "}"#, "tier", "invalid_value");
        check(
            r#"{"allowed_ips":"10.0.0.0/33"}"#,
            "allowed_ips",
            "invalid_value",
        );
        check(
            r#"{"allowed_models":["m",""]}"#,
            "allowed_models[1]",
            "invalid_value",
        );
        check(
            r#"{"expires_at":"tomorrow"}"#,
            "expires_at",
            "invalid_value",
        );
        check(r#"{"quota":9007199254740992}"#, "quota", "invalid_value");
    }

    #[test]
    fn overlaps_are_seconds_or_have_a_unit() {
        let check = |text: &str, expected: Option<u64>| {
            let found = overlap(Form::read(text.as_bytes()).unwrap()).ok();
            assert_eq!(found.map(|span| span.as_secs()), expected, "{text}");
        };
        check("", Some(0));
        check(r#"{"overlap":null}"#, Some(0));
        check(r#"{"overlap":90}"#, Some(90));
        check(r#"{"overlap":"90"}"#, Some(90));
        check(r#"{"overlap":"15m"}"#, Some(900));
        check(r#"{"overlap":"1h"}"#, Some(3_600));
        check(r#"{"overlap":"365d"}"#, Some(31_536_000));
        for bad in [
            r#""366d""#,
            r#""1y""#,
            r#""h""#,
            r#""-1s""#,
            "-1",
            "1.5",
            "true",
            r#""99999999999999999999d""#,
        ] {
            check(&format!("{{\"overlap\":{bad}}}"), None);
        }
        check(r#"{"overlap":1,"x":1}"#, None);
    }
}
