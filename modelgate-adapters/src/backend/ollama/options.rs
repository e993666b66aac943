//! The `options` of a native request: only what the client gave, so that the model's own defaults stay.

use modelgate_domain::model::ModelOptions;
use modelgate_ports::driven::BackendError;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::read::{integer, integer_in, number, texts};
use super::text::Text;

/// What a server takes. Options that load the model anew for everybody (`num_gpu`, `num_batch` …) are the operator's.
const KNOWN: [(&str, Kind); 14] = [
    ("temperature", Kind::Number),
    ("top_p", Kind::Number),
    ("min_p", Kind::Number),
    ("typical_p", Kind::Number),
    ("presence_penalty", Kind::Number),
    ("frequency_penalty", Kind::Number),
    ("repeat_penalty", Kind::Number),
    ("seed", Kind::Integer),
    ("top_k", Kind::Integer),
    ("repeat_last_n", Kind::Integer),
    ("num_keep", Kind::Integer),
    ("num_predict", Kind::Integer),
    ("num_ctx", Kind::Context),
    ("stop", Kind::Texts),
];

/// Names under which clients limit the output, strongest first.
const LIMITS: [&str; 3] = ["max_completion_tokens", "max_tokens", "n_predict"];

#[derive(Clone, Copy)]
enum Kind {
    Number,
    Integer,
    Context,
    Texts,
}

/// Options in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    set: Vec<(&'static str, Setting<'a>)>,
    /// The client's own output limit, and the strength of the name under which it came.
    limit: Option<(usize, i64)>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Setting<'a> {
    Number(&'a RawValue),
    Integer(i64),
    Texts(Vec<Text<'a>>),
}

impl<'a> Options<'a> {
    /// Takes an option if there is one of that name. `field` is where it stands in the body.
    pub(super) fn take(
        &mut self,
        name: &str,
        field: &str,
        raw: &'a RawValue,
    ) -> Result<bool, BackendError> {
        let Some(&(name, kind)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Ok(false);
        };
        let setting = match kind {
            Kind::Number => Setting::Number(number(field, raw)?),
            Kind::Integer => Setting::Integer(integer(field, raw)?),
            Kind::Context => Setting::Integer(integer_in(field, raw, 1, i64::from(u32::MAX))?),
            Kind::Texts => Setting::Texts(
                texts(field, raw)?
                    .into_iter()
                    .filter(|text| !text.is_empty())
                    .collect(),
            ),
        };
        self.put(name, setting);
        Ok(true)
    }

    /// Takes an output limit under one of the names of [`LIMITS`]; the first of them that is given wins.
    pub(super) fn take_limit(&mut self, name: &str, raw: &RawValue) -> Result<bool, BackendError> {
        let Some(rank) = LIMITS.iter().position(|known| *known == name) else {
            return Ok(false);
        };
        let limit = integer_in(name, raw, 0, i64::MAX)?;
        if self.limit.is_none_or(|(best, _)| rank <= best) {
            self.limit = Some((rank, limit));
        }
        Ok(true)
    }

    /// Settles who decides the length of the output: the client's OpenAI limit, else the smaller of its `num_predict`
    /// and the gateway's own limit, so that no option gets around a quota: 0 and less mean that there is no end.
    pub(super) fn limit_output(&mut self, injected: Option<u64>) {
        let injected = injected.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let asked = self.integer("num_predict").filter(|&asked| asked > 0);
        let limit = self
            .limit
            .map(|(_, limit)| limit)
            .or(injected.map(|limit| asked.map_or(limit, |asked| asked.min(limit))));
        if let Some(limit) = limit {
            self.put("num_predict", Setting::Integer(limit));
        }
    }

    /// Puts the operator's context size above the client's, since another one would load the model anew. `false` when
    /// the client had asked for another.
    pub(super) fn set_context(&mut self, model: &ModelOptions) -> bool {
        let Some(context) = model.num_ctx.map(i64::from) else {
            return true;
        };
        let agreed = self.integer("num_ctx").is_none_or(|asked| asked == context);
        self.put("num_ctx", Setting::Integer(context));
        agreed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.set.iter().find_map(|(known, setting)| match setting {
            Setting::Integer(value) if *known == name => Some(*value),
            _ => None,
        })
    }

    fn put(&mut self, name: &'static str, setting: Setting<'a>) {
        self.set.retain(|(known, _)| *known != name);
        if !matches!(&setting, Setting::Texts(texts) if texts.is_empty()) {
            self.set.push((name, setting));
        }
    }
}

impl Serialize for Options<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.set.iter().map(|(name, setting)| (name, setting)))
    }
}
