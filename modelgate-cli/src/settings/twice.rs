//! Finds a setting that stands in a file twice: YAML would silently take the last one.

/// The path of the first key that is repeated, and its line. Knows block style, which is what people write.
pub(super) fn repeated(yaml: &str) -> Option<(String, usize)> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (index, line) in yaml.lines().enumerate() {
        let Some((indent, name)) = key(line) else {
            continue;
        };
        open.retain(|(outer, _)| *outer < indent);
        open.push((indent, name));
        let path = open
            .iter()
            .map(|(_, name)| *name)
            .collect::<Vec<_>>()
            .join(".");
        if !seen.insert(path.clone()) {
            return Some((path, index + 1));
        }
    }
    None
}

fn key(line: &str) -> Option<(usize, &str)> {
    let indent = line.len() - line.trim_start().len();
    let (name, rest) = line.trim_start().split_once(':')?;
    let is_word = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_word && (rest.is_empty() || rest.starts_with(char::is_whitespace)))
        .then_some((indent, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_found_with_their_line() {
        let check = |yaml: &str, expected: Option<(&str, usize)>| {
            let found = repeated(yaml);
            let found = found.as_ref().map(|(path, line)| (path.as_str(), *line));
            assert_eq!(found, expected, "{yaml}");
        };
        check("a: 1\nb: 2\n", None);
        check("a: 1\na: 2\n", Some(("a", 2)));
        check("s:\n  a: 1\nt:\n  a: 2\n", None);
        check("s:\n  a: 1\n# comment\n  a: 2\n", Some(("s.a", 4)));
        check("s:\n  a: 1\nt: 5\ns:\n  b: 2\n", Some(("s", 4)));
        check("list:\n  - http://a\n  - http://b\n", None);
    }
}
