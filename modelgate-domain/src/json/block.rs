//! 64 bytes of a string at a glance: which of them end a plain stretch, and which are not ASCII.

/// How many bytes are looked at together.
pub(super) const BLOCK: usize = 64;

/// What is special about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// Quotes, backslashes and control characters: one bit for each byte, the first byte lowest.
    pub(super) stops: u64,
    /// Some byte belongs to a character beyond ASCII.
    pub(super) foreign: bool,
}

/// Looks at the start of `text`; where it is shorter than a block, the rest has no marks.
#[inline]
pub(super) fn marks(text: &[u8]) -> Marks {
    if let Some(block) = text.first_chunk() {
        return block_marks(block);
    }
    let mut padded = [b' '; BLOCK];
    padded[..text.len()].copy_from_slice(text);
    block_marks(&padded)
}

#[inline]
fn block_marks(block: &[u8; BLOCK]) -> Marks {
    let mut flags = [0; BLOCK];
    for (flag, &byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(stops(byte));
    }
    let stops = gathered(&flags);
    let foreign = block.iter().fold(0, |all, byte| all | byte) >= 0x80;
    Marks { stops, foreign }
}

/// How many bytes at the start of `text` are whole blocks of ordinary ASCII: much faster than marking them.
#[inline]
pub(super) fn ascii_len(text: &[u8]) -> usize {
    // Read as signed, control characters and non-ASCII bytes are both below the space: one comparison.
    clean_len(text, |byte| stops(byte) | (byte.cast_signed() < 0x20))
}

/// The same, but non-ASCII bytes are ordinary.
#[inline]
pub(super) fn plain_len(text: &[u8]) -> usize {
    clean_len(text, stops)
}

#[inline]
fn clean_len(text: &[u8], marked: impl Fn(u8) -> bool) -> usize {
    let clean = |block: &&[u8; BLOCK]| !block.iter().fold(false, |hit, &byte| hit | marked(byte));
    let (blocks, _) = text.as_chunks();
    blocks.iter().take_while(clean).count() * BLOCK
}

/// 64 flags of one byte each become 64 bits. The product shifts each of eight flags to its place in the highest byte.
#[inline]
fn gathered(flags: &[u8; BLOCK]) -> u64 {
    const PLACES: u64 = 0x0102_0408_1020_4080;
    let (words, _) = flags.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        (bits << 8) | (u64::from_le_bytes(*word).wrapping_mul(PLACES) >> 56)
    })
}

#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches it is done for 16 bytes at a time"
)]
fn stops(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(block: &[u8; BLOCK]) {
        let stop = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        let bit = |(index, &byte)| u64::from(stop(byte)) << index;
        let stops = block.iter().enumerate().map(bit).sum();
        let foreign = !block.is_ascii();
        assert_eq!(marks(block), Marks { stops, foreign }, "{block:x?}");
        assert_eq!(plain_len(block), if stops == 0 { BLOCK } else { 0 });
        assert_eq!(
            ascii_len(block),
            if stops == 0 && !foreign { BLOCK } else { 0 }
        );
    }

    #[test]
    fn every_byte_at_every_place_is_marked_or_not() {
        for place in 0..BLOCK {
            for byte in 0..=255 {
                let mut block = [b'a'; BLOCK];
                block[place] = byte;
                check(&block);
            }
        }
    }

    #[test]
    fn short_texts_end_without_marks() {
        let check = |text: &[u8], stops, foreign| assert_eq!(marks(text), Marks { stops, foreign });
        check(b"", 0, false);
        check(b"a\"\xc3\n", 0b1010, true);
        assert_eq!((ascii_len(b"a"), plain_len(b"a")), (0, 0));
    }

    #[test]
    fn clean_blocks_are_counted_as_bytes() {
        let text = [
            &[b'a'; 130][..],
            "é".as_bytes(),
            &[b'a'; 130],
            b"\"",
            &[b'a'; 64],
        ]
        .concat();
        assert_eq!((ascii_len(&text), plain_len(&text)), (128, 256));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(3_000))]
        #[test]
        fn any_block_is_marked_as_byte_by_byte(
            block in proptest::array::uniform32(proptest::prelude::any::<u8>()),
            other in proptest::array::uniform32(0x1c_u8..0x25),
        ) {
            let mut joined = [0; BLOCK];
            joined[..32].copy_from_slice(&block);
            joined[32..].copy_from_slice(&other);
            check(&joined);
        }
    }
}
