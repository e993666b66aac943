//! The few facts tidy needs from a `Cargo.toml`, read line by line.

/// Which code a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Build,
    Dev,
}

/// One dependency as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) optional: bool,
    /// Declared under another name than the crate's own.
    pub(super) renamed: bool,
}

/// All dependencies of a manifest, those of single targets and of `[workspace.dependencies]` included.
pub(super) fn edges(text: &str) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    let mut section = Section::Other;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = Section::of(line);
            if let Section::One(kind, name) = &section {
                edges.push(Edge {
                    line: number,
                    kind: *kind,
                    name: name.clone(),
                    optional: false,
                    renamed: false,
                });
            }
            continue;
        }
        match &section {
            Section::Table(kind) => edges.extend(declared(number, *kind, line)),
            Section::One(..) => edges
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|edge| edge.detail(line)),
            Section::Other => {}
        }
    }
    edges
}

impl Edge {
    /// Takes up a `key = value` of a dependency that has a section of its own.
    fn detail(&mut self, line: &str) {
        let mut parts = line.splitn(2, '=').map(str::trim);
        match (parts.next(), parts.next()) {
            (Some("optional"), Some(value)) => self.optional = value.starts_with("true"),
            (Some("package"), Some(_)) => self.renamed = true,
            _ => {}
        }
    }
}

/// `name = "1"`, `name.workspace = true` or `name = { .. }`.
fn declared(line: usize, kind: Kind, text: &str) -> Option<Edge> {
    let (key, value) = text.split_once('=')?;
    let mut keys = key.trim().split('.');
    let name = keys.next()?.trim();
    let name = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .unwrap_or(name);
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let squeezed: String = value
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    Some(Edge {
        line,
        kind,
        name: name.to_owned(),
        optional: squeezed.contains("optional=true"),
        renamed: squeezed.contains("package=") || keys.any(|key| key.trim() == "package"),
    })
}

enum Section {
    Table(Kind),
    One(Kind, String),
    Other,
}

impl Section {
    fn of(header: &str) -> Self {
        let header = header
            .split('#')
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches(['[', ']']);
        let mut parts = header.rsplitn(2, '.');
        let (last, before) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        if let Some(kind) = kind(last) {
            return Self::Table(kind);
        }
        match before.rsplit('.').next().and_then(kind) {
            Some(kind) => Self::One(kind, last.trim_matches('"').to_owned()),
            None => Self::Other,
        }
    }
}

fn kind(section: &str) -> Option<Kind> {
    match section {
        "dependencies" => Some(Kind::Normal),
        "build-dependencies" => Some(Kind::Build),
        "dev-dependencies" => Some(Kind::Dev),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(Kind, String, bool, bool)> {
        edges(text)
            .into_iter()
            .map(|edge| (edge.kind, edge.name, edge.optional, edge.renamed))
            .collect()
    }

    fn plain(kind: Kind, name: &str) -> (Kind, String, bool, bool) {
        (kind, name.to_owned(), false, false)
    }

    #[test]
    fn every_way_to_declare_a_dependency_is_read() {
        for (text, kind, name) in [
            ("[dependencies]\nhttp = \"1\"", Kind::Normal, "http"),
            (
                "[dependencies]\nhttp.workspace = true",
                Kind::Normal,
                "http",
            ),
            (
                "[dependencies]\n\"http\" = { workspace = true }",
                Kind::Normal,
                "http",
            ),
            ("[dependencies.http]\nversion = \"1\"", Kind::Normal, "http"),
            (
                "[workspace.dependencies]\nhttp = \"1\"",
                Kind::Normal,
                "http",
            ),
            (
                "[dev-dependencies] # tests\nhttp = \"1\"",
                Kind::Dev,
                "http",
            ),
            ("[build-dependencies]\nhttp = \"1\"", Kind::Build, "http"),
            (
                "[target.'cfg(unix)'.dependencies]\nhttp = \"1\"",
                Kind::Normal,
                "http",
            ),
            (
                "[target.'cfg(unix)'.dev-dependencies.http]\nversion = \"1\"",
                Kind::Dev,
                "http",
            ),
        ] {
            assert_eq!(read(text), [plain(kind, name)], "{text}");
        }
    }

    #[test]
    fn other_sections_comments_and_list_items_are_no_dependencies() {
        let text = "[package]\nname = \"x\"\n[dependencies]\n# http = \"1\"\nhyper = { features = [\n  \"a=b\",\n] }\n[features]\ntls = []";
        assert_eq!(read(text), [plain(Kind::Normal, "hyper")]);
    }

    #[test]
    fn optional_and_renamed_are_seen_in_both_forms() {
        for text in [
            "[dependencies]\nweb = { package = \"axum\", optional = true }",
            "[dependencies.web]\npackage = \"axum\"\noptional = true",
        ] {
            assert_eq!(
                read(text),
                [(Kind::Normal, "web".to_owned(), true, true)],
                "{text}"
            );
        }
    }
}
