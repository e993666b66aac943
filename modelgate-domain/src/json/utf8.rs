//! UTF-8 checked piece by piece, with characters that straddle two pieces.

use std::str::from_utf8;

/// The bytes of a character whose rest has not come yet.
#[derive(Debug, Default)]
pub(super) struct Straddler {
    bytes: [u8; 4],
    len: usize,
}

impl Straddler {
    /// How many bytes are held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes what the held character still needs from the front of `text`: how many bytes that were, or `None` when
    /// they do not belong to it.
    pub(super) fn resume(&mut self, text: &[u8]) -> Option<usize> {
        let mut used = 0;
        while self.len > 0 && used < text.len() {
            self.bytes[self.len] = text[used];
            match from_utf8(&self.bytes[..=self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => self.len += 1,
                Err(_) => return None,
            }
            used += 1;
        }
        Some(used)
    }

    /// Checks `text`, which starts with a character and ends where a piece does, and keeps an unfinished character.
    ///
    /// # Errors
    /// Where the first invalid sequence starts.
    pub(super) fn check(&mut self, text: &[u8]) -> Result<(), usize> {
        let (valid, unfinished) = checked(text);
        if valid < text.len() && !unfinished {
            return Err(valid);
        }
        let rest = &text[valid..];
        self.len = rest.len();
        self.bytes[..rest.len()].copy_from_slice(rest);
        Ok(())
    }
}

/// Checks `text`, which starts with a character and shall end with one.
///
/// # Errors
/// Where the first invalid or unfinished sequence starts.
pub(super) fn check(text: &[u8]) -> Result<(), usize> {
    let (valid, _) = checked(text);
    if valid < text.len() {
        Err(valid)
    } else {
        Ok(())
    }
}

/// How much of `text` is valid, and whether the rest is merely cut off.
fn checked(text: &[u8]) -> (usize, bool) {
    let fits = text.len() >= LONG && fits(text);
    let before = if fits {
        text.len() - last_lead(text)
    } else {
        0
    };
    match from_utf8(&text[before..]) {
        Ok(_) => (text.len(), false),
        Err(error) => (before + error.valid_up_to(), error.error_len().is_none()),
    }
}

/// From this length on [`fits`] is faster than `from_utf8`.
const LONG: usize = 256;

/// Whether every byte may follow the three before it: all of UTF-8, except that the last character may be unfinished.
/// Several times faster than `from_utf8` where most characters are not ASCII, because nothing depends on what was
/// found before: the compiler does 16 bytes at a time. For very short texts `false`.
fn fits(text: &[u8]) -> bool {
    let Some(front) = text.first_chunk::<FRONT>() else {
        return false;
    };
    let mut padded = [0; FRONT + 3];
    padded[3..].copy_from_slice(front);
    fits_inside(&padded) && fits_inside(text)
}

const FRONT: usize = 16;

/// The same for all but the first three bytes.
fn fits_inside(text: &[u8]) -> bool {
    let (second, third, fourth) = (&text[1..], &text[2..], &text[3..]);
    let places = text.iter().zip(second).zip(third).zip(fourth);
    !places.fold(false, |bad, (((&a, &b), &c), &d)| bad | misfit(a, b, c, d))
}

/// Whether `d` may not follow `a`, `b`, `c`.
#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches it is done for 16 bytes at a time"
)]
fn misfit(a: u8, b: u8, c: u8, d: u8) -> bool {
    let wanted = (a >= 0xf0) | (b >= 0xe0) | (c >= 0xc0);
    let continues = (d & 0xc0) == 0x80;
    let never = ((d & 0xfe) == 0xc0) | (d >= 0xf5);
    let too_long = ((c == 0xe0) & (d < 0xa0)) | ((c == 0xf0) & (d < 0x90));
    let no_character = ((c == 0xed) & (d >= 0xa0)) | ((c == 0xf4) & (d >= 0x90));
    (wanted != continues) | never | too_long | no_character
}

/// How far from the end the last character starts, if it is not ASCII and may be unfinished.
fn last_lead(text: &[u8]) -> usize {
    let leads = |back: &usize| text[text.len() - back] >= 0xc0;
    (1..=3).find(leads).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte on each side of every border that UTF-8 has.
    const BYTES: [u8; 24] = [
        0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
        0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5,
    ];

    /// What the standard library says: where it is invalid, or how many bytes are unfinished.
    fn reference(text: &[u8]) -> Result<usize, usize> {
        match from_utf8(text) {
            Ok(_) => Ok(0),
            Err(error) if error.error_len().is_none() => Ok(text.len() - error.valid_up_to()),
            Err(error) => Err(error.valid_up_to()),
        }
    }

    /// The four bytes that belong to a number below 24⁴.
    fn four(index: usize) -> [u8; 4] {
        [1, 24, 576, 13_824].map(|power| BYTES[index / power % 24])
    }

    #[test]
    fn four_bytes_anywhere_are_judged_as_the_standard_library_does() {
        for index in 0..24_usize.pow(4) {
            let mut text = [b'a'; 40];
            let place = [0, 11, 15, 20, 36][index % 5];
            text[place..place + 4].copy_from_slice(&four(index));
            assert_eq!(fits(&text), reference(&text).is_ok(), "{text:x?}");
        }
    }

    #[test]
    fn long_texts_may_end_unfinished_but_not_wrong() {
        for index in (0..24_usize.pow(4)).step_by(17) {
            let text = [&[b'a'; LONG][..], &four(index)].concat();
            let mut straddler = Straddler::default();
            let checked = straddler.check(&text).map(|()| straddler.len());
            assert_eq!(checked, reference(&text), "{text:x?}");
            let complete = from_utf8(&text)
                .map(|_| ())
                .map_err(|error| error.valid_up_to());
            assert_eq!(check(&text), complete, "{text:x?}");
        }
    }

    #[test]
    fn characters_may_be_cut_anywhere() {
        let text = "é中😀\u{10ffff}\u{800}\u{d7ff}\u{e000}a".repeat(3);
        for cut in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let mut straddler = Straddler::default();
            assert_eq!(straddler.check(first), Ok(()));
            let used = straddler.resume(second);
            assert_eq!(straddler.len(), 0);
            assert_eq!(straddler.check(&second[used.unwrap()..]), Ok(()));
        }
    }

    #[test]
    fn a_held_character_takes_only_what_belongs_to_it() {
        let mut straddler = Straddler::default();
        assert_eq!(straddler.check(b"a\xf0"), Ok(()));
        assert_eq!(straddler.resume(b"\x9f"), Some(1));
        assert_eq!(straddler.resume(b""), Some(0));
        assert_eq!(straddler.len(), 2);
        assert_eq!(straddler.resume(b"\""), None);
    }
}
