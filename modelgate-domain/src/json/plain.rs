//! Where the ordinary characters of a short string stop, found 8 bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// How many ordinary ASCII characters stand before a quote, if it is near and nothing special comes first.
#[inline]
pub(super) fn short_end(text: &[u8]) -> Option<usize> {
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().take(8).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = (word | marks(word)) & HIGHS;
        if found != 0 {
            let at = index * 8 + found.trailing_zeros() as usize / 8;
            return (text[at] == b'"').then_some(at);
        }
    }
    None
}

/// Offset of the first quote, backslash or control character, or the length.
#[inline]
pub(super) fn plain_end(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word)) & HIGHS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let ordinary = |byte: &&u8| !matches!(byte, b'"' | b'\\' | ..0x20);
    text.len() - tail.len() + tail.iter().take_while(ordinary).count()
}

/// Sets the high bit of every quote, backslash and control character. Borrows can mark bytes above the first
/// of them wrongly, never below it: only the lowest mark is asked for.
#[inline]
fn marks(word: u64) -> u64 {
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros(word ^ (ONES * 0x22));
    let backslashes = zeros(word ^ (ONES * 0x5c));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    quotes | backslashes | controls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_distance_stops_or_does_not() {
        for distance in 0..200 {
            for byte in 0..=255_u8 {
                let mut text = vec![b'a'; 220];
                text[distance] = byte;
                let plain = matches!(byte, b'"' | b'\\' | 0..0x20);
                let expected = |stops: bool| if stops { distance } else { 220 };
                assert_eq!(plain_end(&text), expected(plain), "{byte:#x} at {distance}");
                let near = byte == b'"' && distance < 64;
                assert_eq!(
                    short_end(&text),
                    near.then_some(distance),
                    "{byte:#x} at {distance}"
                );
            }
        }
    }

    #[test]
    fn the_first_of_several_wins() {
        for text in [
            "\"!",
            "ab\u{1f}\u{20}\"",
            "\\\\\\\\\\\\\\\\\\",
            "ééé\"#\"",
            "1234567\"\u{0}\u{1}",
        ] {
            for front in 0..130 {
                let text = [&b"x".repeat(front)[..], text.as_bytes()].concat();
                let slow = text
                    .iter()
                    .position(|&b| b < 0x20 || b == b'"' || b == b'\\');
                assert_eq!(Some(plain_end(&text)), slow);
            }
        }
    }
}
