//! Where the ordinary characters of a string stop, found many bytes at a time.

/// The compiler turns the test of a whole block into a handful of vector instructions.
const BLOCK: usize = 64;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// Offset of the first quote, backslash, control character or non-ASCII byte, or the length.
#[inline]
pub(super) fn ascii_end(text: &[u8]) -> usize {
    // Read as signed, control characters and non-ASCII bytes are both below the space: one comparison.
    end(
        text,
        |byte| special(byte) | (byte.cast_signed() < 0x20),
        |word| word | marks(word),
    )
}

/// The same, but non-ASCII bytes are ordinary.
#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches it is done for a block at a time"
)]
pub(super) fn plain_end(text: &[u8]) -> usize {
    end(text, |byte| special(byte) | (byte < 0x20), marks)
}

/// How many ordinary ASCII characters stand before a quote, if that is near.
#[inline]
pub(super) fn short_end(text: &[u8]) -> Option<usize> {
    let (words, _) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words.iter().take(2) {
        let word = u64::from_le_bytes(*word);
        let found = (word | marks(word)) & HIGHS;
        if found != 0 {
            at += found.trailing_zeros() as usize / 8;
            return (text[at] == b'"').then_some(at);
        }
        at += 8;
    }
    None
}

#[inline]
fn end(text: &[u8], stops: impl Fn(u8) -> bool, marks: impl Fn(u64) -> u64) -> usize {
    let first = |word: &[u8; 8]| {
        let found = marks(u64::from_le_bytes(*word)) & HIGHS;
        (found != 0).then_some(found.trailing_zeros() as usize / 8)
    };
    // Most strings are short: one word is looked at before a block is.
    if let Some(at) = text.first_chunk().and_then(first) {
        return at;
    }
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let clean = |block: &&[u8; BLOCK]| !block.iter().fold(false, |hit, &byte| hit | stops(byte));
    let mut at = blocks.iter().take_while(clean).count() * BLOCK;
    let (words, tail) = text[at..].as_chunks::<8>();
    for word in words {
        if let Some(within) = first(word) {
            return at + within;
        }
        at += 8;
    }
    let stop = tail.iter().position(|&byte| stops(byte));
    at + stop.unwrap_or(tail.len())
}

#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches it is done for a block at a time"
)]
fn special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\')
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
                assert_eq!(
                    ascii_end(&text),
                    expected(plain || byte >= 0x80),
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
