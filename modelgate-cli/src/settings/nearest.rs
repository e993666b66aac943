//! What somebody probably meant: the known name with the fewest letters changed.

/// The candidate nearest to `typed`, unless all are far off.
pub(super) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (typed.len() / 3).max(2);
    let ranked = candidates
        .into_iter()
        .map(|candidate| (distance(typed, candidate), candidate));
    let best = ranked.min_by_key(|(distance, _)| *distance)?;
    (best.0 <= most).then_some(best.1)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one text the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, seen) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != seen);
            let mut cost = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped =
                row > 0 && column > 0 && one[row - 1] == *seen && *letter == other[column - 1];
            if swapped {
                let earlier: &Vec<usize> = &before;
                cost = cost.min(earlier[column - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        let check = |one: &str, other: &str, expected: usize| {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("port", "port", 0);
        check("prot", "port", 1);
        check("server.prt", "server.port", 1);
        check("kitten", "sitting", 3);
    }

    #[test]
    fn far_names_are_not_suggested() {
        let names = ["server.port", "server.host", "timeout"];
        assert_eq!(nearest("server.prot", names), Some("server.port"));
        assert_eq!(nearest("timeouts", names), Some("timeout"));
        assert_eq!(nearest("completely.different", names), None);
    }
}
