//! Tools and the choice among them.

use modelgate_ports::driven::BackendError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::dropped::Dropped;
use super::read::{object, read};
use super::refusal::{invalid_type, invalid_value, missing, unsupported_value};
use super::text::Text;

/// A tool as the server takes it. The schema goes on as it was written.
#[derive(Debug, Serialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: Text<'a>,
    description: Text<'a>,
    parameters: Schema<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Schema<'a> {
    Given(&'a RawValue),
    NoParameters(NoParameters),
}

/// The schema of a function without parameters.
#[derive(Debug, Default, Serialize)]
struct NoParameters {
    #[serde(rename = "type")]
    kind: ObjectKind,
    properties: Nothing,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
enum ObjectKind {
    #[default]
    Object,
}

#[derive(Debug, Default, Serialize)]
struct Nothing {}

#[derive(Deserialize)]
struct ToolForm<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    function: Option<FunctionForm<'a>>,
}

#[derive(Deserialize)]
struct FunctionForm<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    description: Option<Text<'a>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

/// Which tools the model may or must call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    #[default]
    Auto,
    None,
    /// Some tool must be called. Servers cannot be made to.
    Required,
    /// Only these, and at least one of them when `must` says so.
    Of {
        names: Vec<Text<'a>>,
        must: bool,
    },
}

#[derive(Deserialize)]
struct ChoiceForm<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<NameForm<'a>>,
    #[serde(borrow)]
    allowed_tools: Option<AllowedForm<'a>>,
    /// Of the legacy `function_call`.
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct NameForm<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct AllowedForm<'a> {
    #[serde(borrow)]
    mode: Text<'a>,
    #[serde(borrow)]
    tools: Vec<ChoiceForm<'a>>,
}

impl<'a> Tool<'a> {
    /// `tools` of the body.
    pub(super) fn list(field: &str, raw: &'a RawValue) -> Result<Vec<Self>, BackendError> {
        let forms: Vec<ToolForm<'a>> = read(field, raw)?;
        let tool = |(index, form): (usize, ToolForm<'a>)| {
            let path = format!("{field}[{index}]");
            if &*form.kind != "function" {
                return Err(unsupported_value(
                    &format!("{path}.type"),
                    "this model takes functions only",
                ));
            }
            let function = form
                .function
                .ok_or_else(|| missing(&format!("{path}.function")))?;
            Self::new(function, &format!("{path}.function"))
        };
        forms.into_iter().enumerate().map(tool).collect()
    }

    /// `functions` of the body, the older form.
    pub(super) fn legacy_list(field: &str, raw: &'a RawValue) -> Result<Vec<Self>, BackendError> {
        let forms: Vec<FunctionForm<'a>> = read(field, raw)?;
        let tool = |(index, form)| Self::new(form, &format!("{field}[{index}]"));
        forms.into_iter().enumerate().map(tool).collect()
    }

    fn new(form: FunctionForm<'a>, path: &str) -> Result<Self, BackendError> {
        let parameters = match form.parameters {
            Some(schema) => Schema::Given(object(&format!("{path}.parameters"), schema)?),
            None => Schema::NoParameters(NoParameters::default()),
        };
        let description = form.description.unwrap_or_default();
        Ok(Self {
            kind: "function",
            function: Function {
                name: form.name,
                description,
                parameters,
            },
        })
    }
}

impl<'a> Choice<'a> {
    /// `tool_choice` or, of old, `function_call`.
    pub(super) fn read(field: &str, raw: &'a RawValue) -> Result<Self, BackendError> {
        match raw.get().as_bytes().first() {
            Some(b'"') => match &*read::<Text<'_>>(field, raw)? {
                "none" => Ok(Self::None),
                "auto" => Ok(Self::Auto),
                "required" => Ok(Self::Required),
                _ => Err(invalid_value(
                    field,
                    "one of none, auto, required, or an object",
                )),
            },
            Some(b'{') => Self::from_form(field, read(field, raw)?),
            _ => Err(invalid_type(field, "a string or an object")),
        }
    }

    fn from_form(field: &str, form: ChoiceForm<'a>) -> Result<Self, BackendError> {
        match form.kind.as_deref() {
            Some("allowed_tools") => {
                let allowed = form
                    .allowed_tools
                    .ok_or_else(|| missing(&format!("{field}.allowed_tools")))?;
                let must = &*allowed.mode == "required";
                let path = format!("{field}.allowed_tools.tools");
                let names = allowed
                    .tools
                    .into_iter()
                    .map(|tool| tool.function_name(&path))
                    .collect::<Result<_, _>>()?;
                Ok(Self::Of { names, must })
            }
            Some("function") | None => Ok(Self::Of {
                names: vec![form.function_name(field)?],
                must: true,
            }),
            Some(_) => Err(unsupported_value(
                &format!("{field}.type"),
                "this model takes functions only",
            )),
        }
    }

    /// Leaves of `tools` what may be called, and notes in `dropped` what a server cannot be made to do.
    pub(super) fn apply(
        &self,
        field: &str,
        tools: &mut Vec<Tool<'a>>,
        dropped: &mut Dropped,
    ) -> Result<(), BackendError> {
        match self {
            Self::Auto => return Ok(()),
            Self::None => tools.clear(),
            Self::Required => dropped.leave_out(field)?,
            Self::Of { names, must } => {
                let is_known =
                    |name: &Text<'_>| tools.iter().any(|tool| tool.function.name == *name);
                if !names.iter().all(is_known) {
                    return Err(invalid_value(field, "the name of one of the tools"));
                }
                tools.retain(|tool| names.contains(&tool.function.name));
                if *must {
                    dropped.leave_out(field)?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> ChoiceForm<'a> {
    fn function_name(self, path: &str) -> Result<Text<'a>, BackendError> {
        let name = self.function.map(|function| function.name).or(self.name);
        name.ok_or_else(|| missing(&format!("{path}.function.name")))
    }
}
