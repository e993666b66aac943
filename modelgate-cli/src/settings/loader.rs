//! Stacks the sources on each other with figment, and remembers where each value came from.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Yaml};
use figment::value::{Dict, Value};

use super::keys::{self, KEYS, State};
use super::layer::Layer;
use super::{Environment, Settings, SettingsError, check, hidden, twice};

/// Which file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFile {
    /// `config/modelgate.yaml`, if it is there.
    Default,
    /// This one, which must be there.
    Named(PathBuf),
    /// None.
    None,
}

/// A setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as it was typed.
    pub name: &'static str,
    /// The setting.
    pub path: &'static str,
    /// Its value.
    pub value: String,
}

/// Settings with their sources.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    figment: Figment,
}

/// One effective setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its path.
    pub path: &'static str,
    /// Its value; a secret is masked.
    pub value: serde_json::Value,
    /// `default`, a file, a variable or a flag.
    pub source: String,
}

impl Loaded {
    /// Defaults, file, variables, flags: the later wins.
    ///
    /// # Errors
    /// [`SettingsError`] at the first value that cannot be used.
    pub fn from(
        file: &ConfigFile,
        environment: &Environment,
        flags: &[Flag],
    ) -> Result<Self, SettingsError> {
        let mut figment = Figment::from(Serialized::defaults(Settings::default()));
        if let Some(layer) = from_file(file)? {
            figment = figment.merge(layer);
        }
        for (name, text) in environment.settings() {
            figment = figment.merge(Layer::variable(name, text)?);
        }
        for flag in flags {
            figment = figment.merge(from_flag(flag)?);
        }
        if let Some(layer) = from_proxy_variables(&figment, environment)? {
            figment = figment.merge(layer);
        }
        // Every layer was checked, so this fails only when a rule and a field's type disagree.
        let settings: Settings = figment
            .extract()
            .map_err(|error| SettingsError::new(one_line(&error.to_string())))?;
        check::check(&settings)?;
        Ok(Self { settings, figment })
    }

    /// Every effective setting, in the order of the example file.
    pub fn shown(&self) -> Vec<Shown> {
        let built = KEYS.iter().filter(|key| key.state == State::Plain);
        built.map(|key| self.show(key)).collect()
    }

    fn show(&self, key: &keys::Key) -> Shown {
        let value = self
            .figment
            .find_value(key.path)
            .unwrap_or_else(|_| Value::from(false));
        let is_set = !matches!(value, Value::Empty(..));
        let plain = serde_json::to_value(&value).unwrap_or_default();
        let value = match plain {
            _ if is_set && key.rule.is_secret() => hidden::MASK.into(),
            serde_json::Value::String(text) => masked(&text).into(),
            other => other,
        };
        let source = self
            .figment
            .find_metadata(key.path)
            .map(|metadata| metadata.name.to_string());
        let source =
            source.filter(|name| !name.contains("modelgate::") && !name.contains("Settings"));
        Shown {
            path: key.path,
            value,
            source: source.unwrap_or_else(|| "default".to_owned()),
        }
    }
}

/// What stands before an at sign in an address may be a password.
fn masked(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{}@{host}", hidden::MASK),
        _ => text.to_owned(),
    }
}

const DEFAULT_FILE: &str = "config/modelgate.yaml";

fn from_file(file: &ConfigFile) -> Result<Option<Layer>, SettingsError> {
    let path = match file {
        ConfigFile::Default => Path::new(DEFAULT_FILE),
        ConfigFile::Named(path) => path,
        ConfigFile::None => return Ok(None),
    };
    let source = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && *file == ConfigFile::Default => {
            return Ok(None);
        }
        Err(error) => {
            return Err(SettingsError::new(format!(
                "cannot read the settings in {source}: {error}"
            )));
        }
    };
    if let Some((key, line)) = twice::repeated(&text) {
        return Err(SettingsError::new(format!(
            "{key} stands twice, again in line {line} (from {source})"
        )));
    }
    Layer::file(source.clone(), parse(&text, &source)?).map(Some)
}

fn parse(text: &str, source: &str) -> Result<Dict, SettingsError> {
    let content = |line: &str| {
        !matches!(line.trim(), "" | "---" | "...") && !line.trim_start().starts_with('#')
    };
    if !text.lines().any(content) {
        return Ok(Dict::new());
    }
    let parsed = Figment::from(Yaml::string(text)).extract::<Dict>();
    parsed.map_err(|error| {
        SettingsError::new(format!(
            "{source} is no YAML with settings: {}",
            one_line(&error.kind.to_string())
        ))
    })
}

fn from_flag(flag: &Flag) -> Result<Layer, SettingsError> {
    let key = keys::find(flag.path)
        .ok_or_else(|| SettingsError::new(format!("{} is no setting", flag.path)))?;
    Layer::single(flag.name.to_owned(), key, &flag.value)
}

/// The variables by which most programs are told of a proxy count when no setting does.
fn from_proxy_variables(
    figment: &Figment,
    environment: &Environment,
) -> Result<Option<Layer>, SettingsError> {
    let unset = matches!(figment.find_value("upstreams.proxy"), Ok(Value::Empty(..)));
    let named = ["HTTPS_PROXY", "https_proxy"]
        .into_iter()
        .find_map(|name| environment.get(name).map(|text| (name, text)));
    match (unset, named, keys::find("upstreams.proxy")) {
        // Other programs take an address without its scheme.
        (true, Some((name, text)), Some(key)) if !text.contains("://") => {
            Layer::single(name.to_owned(), key, &format!("http://{text}")).map(Some)
        }
        (true, Some((name, text)), Some(key)) => {
            Layer::single(name.to_owned(), key, text).map(Some)
        }
        _ => Ok(None),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
