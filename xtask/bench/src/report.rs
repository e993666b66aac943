//! The table: medians of all rounds, and ratios against a table that was saved before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Measured values by name, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Table {
    order: Vec<(String, String)>,
    values: BTreeMap<String, Vec<f64>>,
}

impl Table {
    /// Adds one measured value.
    pub(crate) fn add(&mut self, name: &str, unit: &str, value: f64) {
        let values = self.values.entry(name.to_owned()).or_default();
        if values.is_empty() {
            self.order.push((name.to_owned(), unit.to_owned()));
        }
        values.push(value);
    }

    /// Markdown, with a column of ratios when there is something to compare with.
    pub(crate) fn markdown(&self, before: Option<&Self>) -> String {
        let mut text = String::from("| | median | least | most |");
        text.push_str(if before.is_some() {
            " against |\n| --- | ---: | ---: | ---: | ---: |\n"
        } else {
            "\n| --- | ---: | ---: | ---: |\n"
        });
        for (name, unit) in &self.order {
            let [least, median, most] = self.spread(name);
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "| {name} | {median:.2} {unit} | {least:.2} | {most:.2} |"
            );
            if let Some(old) = before.map(|before| before.spread(name)[1]) {
                let _ = write!(text, " {:.3} |", median / old);
            }
            text.push('\n');
        }
        text
    }

    /// Saves medians, one a line.
    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        let lines = self
            .order
            .iter()
            .map(|(name, unit)| format!("{name}\t{unit}\t{}\n", self.spread(name)[1]));
        std::fs::write(file, lines.collect::<String>())
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Reads what was saved.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let mut table = Self::default();
        for line in text.lines() {
            let mut fields = line.split('\t');
            if let (Some(name), Some(unit), Some(Ok(value))) =
                (fields.next(), fields.next(), fields.next().map(str::parse))
            {
                table.add(name, unit, value);
            }
        }
        Ok(table)
    }

    fn spread(&self, name: &str) -> [f64; 3] {
        let mut values = self.values.get(name).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        [
            at(0),
            at(values.len() / 2),
            at(values.len().saturating_sub(1)),
        ]
    }
}
