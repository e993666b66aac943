//! The environment of the process, read here and nowhere else.

use std::collections::BTreeMap;

/// Variables as they were when the program began.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub fn of_process() -> Self {
        let text = |name: std::ffi::OsString| name.to_string_lossy().into_owned();
        Self(
            std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    /// Only these, for embedders that have settings of their own, and for tests.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(variables.into_iter().map(owned).collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Variables that want to be settings. An empty one counts as not set, and those that Kubernetes makes for a service
    /// called `mg` are not ours.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let ours = self
            .0
            .iter()
            .filter(|(name, _)| name.starts_with("MG_") && !is_kubernetes(name));
        ours.filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Environment(..)")
    }
}

fn is_kubernetes(name: &str) -> bool {
    name == "MG_PORT" || name.starts_with("MG_PORT_") || name.starts_with("MG_SERVICE_")
}
