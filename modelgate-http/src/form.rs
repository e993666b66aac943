//! JSON objects that people send to the admin API: every field is asked for by name and type, and none is left over.

use serde_json::{Map, Value};

/// A field holds what it must not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct FormError {
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
    pub(crate) message: String,
}

impl FormError {
    fn new(param: &str, code: &'static str, message: String) -> Self {
        Self {
            param: Some(param.to_owned()),
            code: Some(code),
            message,
        }
    }

    /// The right type, a wrong value; `expected` goes on with what it must be.
    pub(crate) fn value(param: &str, expected: &str) -> Self {
        Self::new(param, "invalid_value", format!("'{param}' {expected}."))
    }

    pub(crate) fn unknown(param: &str) -> Self {
        Self::new(
            param,
            "unknown_parameter",
            format!("'{param}' is not known here or cannot be set."),
        )
    }

    fn missing(param: &str) -> Self {
        Self::new(
            param,
            "missing_required_parameter",
            format!("'{param}' is required."),
        )
    }

    fn kind(param: &str, expected: &str) -> Self {
        Self::new(
            param,
            "invalid_type",
            format!("'{param}' must be {expected}."),
        )
    }

    fn not_an_object() -> Self {
        Self {
            param: None,
            code: None,
            message: "The body must be one JSON object, in UTF-8.".to_owned(),
        }
    }
}

/// A field that is absent, cleared by `null`, or given.
pub(crate) type Nullable<T> = Option<Option<T>>;

/// One object. Each reader takes its field out; an absent field is `None`.
#[derive(Debug)]
pub(crate) struct Form {
    fields: Map<String, Value>,
    path: String,
}

impl Form {
    /// Reads a body; nothing at all counts as an object without fields.
    pub(crate) fn read(body: &[u8]) -> Result<Self, FormError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self {
                fields: Map::new(),
                path: String::new(),
            });
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self {
                fields,
                path: String::new(),
            }),
            _ => Err(FormError::not_an_object()),
        }
    }

    /// Every field was asked for.
    pub(crate) fn finish(self) -> Result<(), FormError> {
        self.fields
            .keys()
            .next()
            .map_or(Ok(()), |name| Err(FormError::unknown(&self.name(name))))
    }

    /// The field's name with the way to it.
    pub(crate) fn name(&self, field: &str) -> String {
        format!("{}{field}", self.path)
    }

    /// The field must be there.
    pub(crate) fn require(&self, field: &str) -> Result<(), FormError> {
        let is_there = self.fields.get(field).is_some_and(|value| !value.is_null());
        if is_there {
            Ok(())
        } else {
            Err(FormError::missing(&self.name(field)))
        }
    }

    /// A field that may be cleared: `null` is an inner `None`.
    pub(crate) fn nullable<T>(
        &mut self,
        field: &str,
        read: impl FnOnce(&mut Self, &str) -> Result<Option<T>, FormError>,
    ) -> Result<Nullable<T>, FormError> {
        if self.fields.get(field).is_some_and(Value::is_null) {
            self.fields.shift_remove(field);
            return Ok(Some(None));
        }
        read(self, field).map(|value| value.map(Some))
    }

    pub(crate) fn text(&mut self, field: &str) -> Result<Option<String>, FormError> {
        match self.fields.shift_remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(FormError::kind(&self.name(field), "a string")),
        }
    }

    /// A text that means something; `expected` says what it must be.
    pub(crate) fn parsed<T>(
        &mut self,
        field: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, FormError> {
        let Some(text) = self.text(field)? else {
            return Ok(None);
        };
        read(&text)
            .map(Some)
            .ok_or_else(|| FormError::value(&self.name(field), expected))
    }

    pub(crate) fn flag(&mut self, field: &str) -> Result<Option<bool>, FormError> {
        match self.fields.shift_remove(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(FormError::kind(&self.name(field), "true or false")),
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn integer(
        &mut self,
        field: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, FormError> {
        let number = match self.fields.shift_remove(field) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(_) => return Err(FormError::kind(&self.name(field), "a whole number")),
        };
        if !number
            .to_string()
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            return Err(FormError::kind(&self.name(field), "a whole number"));
        }
        let in_range = number
            .as_i64()
            .filter(|number| (least..=most).contains(number));
        in_range.map(Some).ok_or_else(|| {
            FormError::value(
                &self.name(field),
                &format!("must be from {least} to {most}"),
            )
        })
    }

    pub(crate) fn texts(&mut self, field: &str) -> Result<Option<Vec<String>>, FormError> {
        let list = match self.fields.shift_remove(field) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(FormError::kind(&self.name(field), "a list of strings")),
        };
        let texts = list
            .into_iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::String(text) => Ok(text),
                _ => Err(FormError::kind(
                    &format!("{}[{index}]", self.name(field)),
                    "a string",
                )),
            });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// A list of strings, or one string with commas.
    pub(crate) fn listed(&mut self, field: &str) -> Result<Option<Vec<String>>, FormError> {
        if !matches!(self.fields.get(field), Some(Value::String(_))) {
            return self.texts(field);
        }
        let entries = |text: String| {
            text.split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Ok(self.text(field)?.map(entries))
    }

    /// An object within this one.
    pub(crate) fn object(&mut self, field: &str) -> Result<Option<Self>, FormError> {
        match self.fields.shift_remove(field) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self {
                fields,
                path: format!("{}.", self.name(field)),
            })),
            Some(_) => Err(FormError::kind(&self.name(field), "an object")),
        }
    }

    /// A list of objects.
    pub(crate) fn objects(&mut self, field: &str) -> Result<Option<Vec<Self>>, FormError> {
        let list = match self.fields.shift_remove(field) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(FormError::kind(&self.name(field), "a list of objects")),
        };
        let objects = list.into_iter().enumerate().map(|(index, value)| {
            let path = format!("{}[{index}]", self.name(field));
            match value {
                Value::Object(fields) => Ok(Self {
                    fields,
                    path: format!("{path}."),
                }),
                _ => Err(FormError::kind(&path, "an object")),
            }
        });
        objects.collect::<Result<_, _>>().map(Some)
    }

    /// The value of a field whose type decides how it is read.
    pub(crate) fn any(&mut self, field: &str) -> Option<Value> {
        self.fields.shift_remove(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::read(text.as_bytes()).unwrap()
    }

    fn fault<T>(result: Result<T, FormError>) -> (String, &'static str) {
        let error = result.err().expect("a refusal");
        (
            error.param.unwrap_or_default(),
            error.code.unwrap_or_default(),
        )
    }

    #[test]
    fn absent_null_and_given_are_three_things() {
        let mut given = form(r#"{"tier":null,"name":"x"}"#);
        assert_eq!(given.nullable("tier", Form::text).unwrap(), Some(None));
        assert_eq!(
            given.nullable("name", Form::text).unwrap(),
            Some(Some("x".to_owned()))
        );
        assert_eq!(given.nullable("quota", Form::text).unwrap(), None);
        given.finish().unwrap();
    }

    #[test]
    fn what_is_not_asked_for_is_named() {
        assert_eq!(
            fault(form(r#"{"id":1}"#).finish()),
            ("id".to_owned(), "unknown_parameter")
        );
        let mut outer = form(r#"{"options":{"x":1},"targets":[{},{"y":1}]}"#);
        assert_eq!(
            fault(outer.object("options").unwrap().unwrap().finish()).0,
            "options.x"
        );
        let second = outer.objects("targets").unwrap().unwrap().remove(1);
        assert_eq!(fault(second.finish()).0, "targets[1].y");
    }

    #[test]
    fn numbers_are_whole_and_in_range() {
        let check = |value: &str, expected: Result<i64, &str>| {
            let result = form(&format!("{{\"n\":{value}}}")).integer("n", 1, 100);
            assert_eq!(
                result
                    .map(Option::unwrap)
                    .map_err(|error| error.code.unwrap()),
                expected,
                "{value}"
            );
        };
        check("1", Ok(1));
        check("100", Ok(100));
        check("0", Err("invalid_value"));
        check("-1", Err("invalid_value"));
        check("101", Err("invalid_value"));
        check("99999999999999999999999", Err("invalid_value"));
        check("1.0", Err("invalid_type"));
        check("1e2", Err("invalid_type"));
        check("\"1\"", Err("invalid_type"));
        check("true", Err("invalid_type"));
        check("null", Err("invalid_type"));
    }

    #[test]
    fn lists_may_be_written_with_commas() {
        let check = |value: &str, expected: &[&str]| {
            let found = form(&format!("{{\"ips\":{value}}}"))
                .listed("ips")
                .unwrap()
                .unwrap();
            assert_eq!(found, expected, "{value}");
        };
        check(r#""10.0.0.0/8, ::1""#, &["10.0.0.0/8", "::1"]);
        check(r#"["10.0.0.0/8"]"#, &["10.0.0.0/8"]);
        check(r#""""#, &[]);
        assert_eq!(
            fault(form(r#"{"ips":["a",1]}"#).listed("ips")),
            ("ips[1]".to_owned(), "invalid_type")
        );
        assert_eq!(fault(form(r#"{"ips":5}"#).listed("ips")).1, "invalid_type");
    }

    #[test]
    fn other_types_are_refused_by_name() {
        assert_eq!(
            fault(form(r#"{"a":1}"#).text("a")),
            ("a".to_owned(), "invalid_type")
        );
        assert_eq!(fault(form(r#"{"a":1}"#).flag("a")).1, "invalid_type");
        assert_eq!(fault(form(r#"{"a":1}"#).object("a")).1, "invalid_type");
        assert_eq!(fault(form(r#"{"a":[1]}"#).objects("a")).0, "a[0]");
        assert_eq!(
            fault(form("{}").require("a")).1,
            "missing_required_parameter"
        );
        assert_eq!(
            fault(form(r#"{"a":null}"#).require("a")).1,
            "missing_required_parameter"
        );
    }

    #[test]
    fn bodies_are_objects_or_nothing() {
        assert!(Form::read(b" \n").unwrap().finish().is_ok());
        for body in ["null", "[]", "1", "{", "{\"a\":\"\u{1}\"}"] {
            assert!(Form::read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Form::read(b"{\"a\":\"\xff\"}").is_err());
        assert!(Form::read("[".repeat(100_000).as_bytes()).is_err());
    }
}
