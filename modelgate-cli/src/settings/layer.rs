//! One source of settings: checked, brought into normal form, and handed to figment under its own name.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::keys::{self, KEYS, Key, State};
use super::nearest::nearest;
use super::{Settings, SettingsError};

/// Settings that one file, variable or flag gives.
pub(super) struct Layer {
    source: String,
    values: Vec<(&'static Key, Value)>,
}

impl Layer {
    /// The settings in a file.
    pub(super) fn file(source: String, sections: Dict) -> Result<Self, SettingsError> {
        let mut layer = Self {
            source,
            values: Vec::new(),
        };
        layer.section("", sections)?;
        Ok(layer)
    }

    /// One variable.
    pub(super) fn variable(name: &str, text: &str) -> Result<Self, SettingsError> {
        let Some(key) = keys::of_variable(name) else {
            let names: Vec<String> = KEYS.iter().map(|key| keys::variable(key.path)).collect();
            let names = names.iter().map(String::as_str);
            return Err(SettingsError::new(format!(
                "{name} is no setting{}",
                meant(nearest(name, names))
            )));
        };
        Self::single(name.to_owned(), key, text)
    }

    /// One setting given as text, by a source of that name.
    pub(super) fn single(
        source: String,
        key: &'static Key,
        text: &str,
    ) -> Result<Self, SettingsError> {
        let mut layer = Self {
            source,
            values: Vec::new(),
        };
        layer.take(key, &text.into())?;
        Ok(layer)
    }

    fn section(&mut self, path: &str, values: Dict) -> Result<(), SettingsError> {
        for (name, value) in values {
            let path = if path.is_empty() {
                name
            } else {
                format!("{path}.{name}")
            };
            match (keys::find(&path), value) {
                (Some(key), value) => self.take(key, &value)?,
                (None, Value::Dict(_, values)) if keys::is_section(&path) => {
                    self.section(&path, values)?;
                }
                (None, Value::Empty(..)) if keys::is_section(&path) => {}
                (None, _) if keys::is_section(&path) => return Err(self.no_section(&path)),
                (None, _) => return Err(self.unknown(&path)),
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &'static Key, value: &Value) -> Result<(), SettingsError> {
        let read = key.rule.read(value).map_err(|refused| {
            let found = if key.rule.is_secret() {
                String::new()
            } else {
                format!(", not {}", refused.found)
            };
            SettingsError::new(format!(
                "{} must be {}{found} (from {})",
                key.path, refused.wanted, self.source
            ))
        })?;
        match key.state {
            State::Plain => self.values.push((key, read)),
            State::Planned { value, .. }
                if key
                    .rule
                    .read(&value.into())
                    .is_ok_and(|default| default == read) => {}
            State::Planned { feature, .. } => return Err(self.planned(key, feature)),
        }
        Ok(())
    }

    fn planned(&self, key: &Key, feature: &str) -> SettingsError {
        let source = &self.source;
        SettingsError::new(format!(
            "{} asks for {feature}, which this version does not have: leave it out (from {source})",
            key.path
        ))
    }

    fn no_section(&self, path: &str) -> SettingsError {
        SettingsError::new(format!(
            "{path} is a section and holds settings, not a value (from {})",
            self.source
        ))
    }

    fn unknown(&self, path: &str) -> SettingsError {
        let last = path.rsplit('.').next().unwrap_or(path);
        let namesake = KEYS
            .iter()
            .map(|key| key.path)
            .find(|known| known.rsplit('.').next() == Some(last));
        let guess = nearest(path, keys::paths()).or(namesake);
        SettingsError::new(format!(
            "{} is no setting{} (from {})",
            path.escape_debug(),
            meant(guess),
            self.source
        ))
    }
}

fn meant(guess: Option<&str>) -> String {
    guess.map_or_else(String::new, |name| format!(": did you mean {name}?"))
}

/// Checks the values of settings that no source gave. Secrets stand there as asterisks, which any secret may be.
pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    let values =
        Value::serialize(settings).map_err(|error| SettingsError::new(error.to_string()))?;
    let sections = values.into_dict().unwrap_or_default();
    Layer::file("the program".to_owned(), sections).map(|_| ())
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut root = Dict::new();
        for (key, value) in &self.values {
            place(&mut root, key.path, value.clone());
        }
        Ok(Profile::Default.collect(root))
    }
}

fn place(into: &mut Dict, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        into.insert(path.to_owned(), value);
        return;
    };
    let entry = into
        .entry(section.to_owned())
        .or_insert_with(|| Dict::new().into());
    if let Value::Dict(_, values) = entry {
        place(values, rest, value);
    }
}
