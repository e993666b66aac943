//! Times and sizes as people write them: `500ms`, `5s`, `30m`, `64KiB`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const SIZES: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Reads one number with a unit; without a unit it means seconds.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*millis).map(Duration::from_millis)
}

/// Writes a time in the largest unit that divides it.
pub(super) fn write(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let fits = UNITS.iter().find(|(_, unit)| millis.is_multiple_of(*unit));
    let (name, unit) = fits.unwrap_or(&("ms", 1));
    format!("{}{name}", millis / unit)
}

/// Reads a number of bytes, plain or with a unit.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*bytes)
}

/// Writes a number of bytes in the largest unit that divides it.
pub(super) fn write_size(bytes: u64) -> String {
    let fits = SIZES
        .iter()
        .find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    let (name, unit) = fits.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&write(*span))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| de::Error::custom("is no time such as 500ms, 5s, 30m or 1h"))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(parse(text), millis.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("5s", Some(5_000));
        check("5", Some(5_000));
        check("0", Some(0));
        check("30m", Some(1_800_000));
        check("1 h", Some(3_600_000));
        check("90d", Some(7_776_000_000));
        for text in [
            "",
            "s",
            "-5s",
            "1.5s",
            "5 parsecs",
            "1m30s",
            "99999999999999999999s",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn times_are_written_in_their_largest_unit() {
        for text in ["0s", "500ms", "90s", "5m", "1h", "90d"] {
            assert_eq!(parse(text).map(write).as_deref(), Some(text));
        }
        assert_eq!(write(Duration::from_secs(300)), "5m");
    }

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(parse_size(text), bytes, "{text}");
        check("5242880", Some(5_242_880));
        check("5MiB", Some(5_242_880));
        check("64 KiB", Some(65_536));
        check("1GiB", Some(1 << 30));
        for text in ["", "MiB", "5MB", "-1", "1.5MiB", "99999999999999999GiB"] {
            check(text, None);
        }
        assert_eq!(write_size(5_242_880), "5MiB");
        assert_eq!(write_size(0), "0B");
    }
}
