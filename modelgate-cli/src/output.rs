//! What commands write: tables on a terminal, tab-separated lines into a pipe, JSON when asked.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Where data goes. Everything else goes to stderr.
pub(crate) struct Output<'a> {
    to: &'a mut (dyn Write + Send),
    style: Style,
}

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Aligned, for people.
    Table,
    /// Tab-separated, for pipes.
    Lines,
    /// As the admin API has it.
    Json,
}

impl Style {
    /// For standard output.
    pub(crate) fn of_stdout(json: JsonAsked) -> Self {
        match json {
            JsonAsked::Yes => Self::Json,
            JsonAsked::No if std::io::stdout().is_terminal() => Self::Table,
            JsonAsked::No => Self::Lines,
        }
    }
}

/// Whether `--json` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonAsked {
    Yes,
    No,
}

impl From<bool> for JsonAsked {
    fn from(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }
}

/// A column: its title and the field it shows.
pub(crate) type Column = (&'static str, &'static str);

impl<'a> Output<'a> {
    pub(crate) fn new(to: &'a mut (dyn Write + Send), style: Style) -> Self {
        Self { to, style }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Objects as rows.
    pub(crate) fn rows(&mut self, columns: &[Column], objects: &[Value]) {
        match self.style {
            Style::Json => self.json(&Value::from(objects.to_vec())),
            Style::Lines => self.lines(columns, objects),
            Style::Table => self.table(columns, objects),
        }
    }

    /// One object, field by field.
    pub(crate) fn object(&mut self, columns: &[Column], object: &Value) {
        if self.style == Style::Json {
            return self.json(object);
        }
        for (title, field) in columns {
            let value = cell(&object[*field]);
            if value == NOTHING {
                continue;
            }
            match self.style {
                Style::Table => self.line(&format!("{title:<16}{value}")),
                _ => self.line(&format!("{title}\t{value}")),
            }
        }
    }

    /// A document, as it is.
    pub(crate) fn json(&mut self, document: &Value) {
        let text = serde_json::to_string_pretty(document).unwrap_or_default();
        self.line(&text);
    }

    /// A line of text. A closed pipe ends output silently.
    pub(crate) fn line(&mut self, text: &str) {
        let _closed = writeln!(self.to, "{text}").and_then(|()| self.to.flush());
    }

    fn lines(&mut self, columns: &[Column], objects: &[Value]) {
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        self.line(&titles.join("\t"));
        for object in objects {
            let cells: Vec<String> = columns
                .iter()
                .map(|(_, field)| cell(&object[*field]))
                .collect();
            self.line(&cells.join("\t"));
        }
    }

    fn table(&mut self, columns: &[Column], objects: &[Value]) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        // Some terminals say that they have no width.
        if table.width().is_some_and(|width| width >= NARROWEST) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(columns.iter().map(|(title, _)| title.to_uppercase()));
        for object in objects {
            table.add_row(columns.iter().map(|(_, field)| cell(&object[*field])));
        }
        for line in table.lines() {
            self.line(line.trim_end());
        }
    }
}

const NOTHING: &str = "-";

/// Below this, columns would be cut into single letters.
const NARROWEST: u16 = 60;

fn cell(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => printable(text),
        Value::Array(entries) if entries.is_empty() => NOTHING.to_owned(),
        Value::Array(entries) => entries.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// Whether somebody asked for no colours.
pub(crate) fn is_colourless(environment: &crate::settings::Environment) -> bool {
    environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb")
}

/// Control characters would steer the terminal, or break a line.
pub(crate) fn printable(text: &str) -> String {
    let escape = |letter: char| {
        if letter.is_control() {
            letter.escape_default().to_string()
        } else {
            letter.to_string()
        }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        ("id", "id"),
        ("name", "name"),
        ("ips", "allowed_ips"),
        ("quota", "quota"),
    ];

    fn written(style: Style, write: impl FnOnce(&mut Output<'_>)) -> String {
        let mut bytes = Vec::new();
        write(&mut Output::new(&mut bytes, style));
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn keys() -> Vec<Value> {
        vec![
            json!({"id": 1, "name": "a\tb\u{1b}[31m", "allowed_ips": [], "quota": null}),
            json!({"id": 22, "name": "ci", "allowed_ips": ["10.0.0.0/8", "::1"], "quota": 1000}),
        ]
    }

    #[test]
    fn pipes_get_tabs_and_nothing_breaks_a_line() {
        let text = written(Style::Lines, |out| out.rows(COLUMNS, &keys()));
        assert_eq!(
            text,
            "id\tname\tips\tquota\n1\ta\\tb\\u{1b}[31m\t-\t-\n22\tci\t10.0.0.0/8,::1\t1000\n"
        );
    }

    #[test]
    fn terminals_get_columns() {
        let text = written(Style::Table, |out| out.rows(COLUMNS, &keys()));
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        assert!(
            lines[0].starts_with("ID") && lines[0].ends_with("QUOTA"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn json_is_what_the_server_said() {
        let text = written(Style::Json, |out| out.rows(COLUMNS, &[]));
        assert_eq!(text, "[]\n");
        let text = written(Style::Json, |out| {
            out.object(COLUMNS, &json!({"id": 1, "more": {"a": null}}));
        });
        assert_eq!(
            serde_json::from_str::<Value>(&text).expect("JSON"),
            json!({"id": 1, "more": {"a": null}})
        );
    }

    #[test]
    fn an_object_is_a_list_of_fields() {
        let object = json!({"id": 3, "name": "ci", "quota": null});
        assert_eq!(
            written(Style::Lines, |out| out.object(COLUMNS, &object)),
            "id\t3\nname\tci\n"
        );
    }
}
