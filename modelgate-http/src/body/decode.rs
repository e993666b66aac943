//! Compressed request bodies, decoded as they come and never further than they may grow.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzDecoder;
use zstd::stream::raw;
use zstd::stream::write::Decoder as ZstdDecoder;
use zstd::stream::zio;

/// How many times its own length a body may grow to.
const RATIO: usize = 20;
/// Up to this length any ratio is fine: short texts may be very regular.
const ALWAYS: usize = 64 * 1024;
/// Largest window a zstd body may ask for, as a power of two.
const WINDOW_LOG: u32 = 23;

/// Why a body could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("decoded, the body is longer than {0} bytes or {RATIO} times its length")]
    TooLarge(usize),
    #[error("the body cannot be decoded")]
    Broken(#[source] io::Error),
}

/// One compressed body.
pub(crate) struct Decoder {
    coding: Coding,
    taken: usize,
    most: usize,
}

enum Coding {
    Gzip(Box<GzDecoder<Sink>>),
    Zstd(Box<ZstdDecoder<'static, Sink>>),
}

impl Decoder {
    /// A gzip body that may grow to `most` bytes.
    pub(crate) fn gzip(most: usize) -> Self {
        Self {
            coding: Coding::Gzip(Box::new(GzDecoder::new(Sink::default()))),
            taken: 0,
            most,
        }
    }

    /// A zstd body that may grow to `most` bytes.
    pub(crate) fn zstd(most: usize) -> Result<Self, DecodeError> {
        let mut decoder = raw::Decoder::new().map_err(DecodeError::Broken)?;
        decoder
            .set_parameter(raw::DParameter::WindowLogMax(WINDOW_LOG))
            .map_err(DecodeError::Broken)?;
        let writer = zio::Writer::new(Sink::default(), decoder);
        Ok(Self {
            coding: Coding::Zstd(Box::new(ZstdDecoder::with_writer(writer))),
            taken: 0,
            most,
        })
    }

    /// Takes the next piece and gives what can be decoded by now.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<Bytes, DecodeError> {
        self.taken = self.taken.saturating_add(piece.len());
        let room = self.taken.saturating_mul(RATIO).max(ALWAYS).min(self.most);
        self.sink().room = room;
        let written = match &mut self.coding {
            Coding::Gzip(decoder) => decoder.write_all(piece),
            Coding::Zstd(decoder) => decoder.write_all(piece),
        };
        self.give(written)
    }

    /// Ends the body.
    pub(crate) fn finish(mut self) -> Result<Bytes, DecodeError> {
        let ended = match &mut self.coding {
            Coding::Gzip(decoder) => decoder.try_finish(),
            Coding::Zstd(decoder) => decoder.do_finish(),
        };
        self.give(ended)
    }

    fn give(&mut self, outcome: io::Result<()>) -> Result<Bytes, DecodeError> {
        let most = self.most;
        let sink = self.sink();
        match outcome {
            _ if sink.is_full => Err(DecodeError::TooLarge(most)),
            Err(error) => Err(DecodeError::Broken(error)),
            Ok(()) => Ok(std::mem::take(&mut sink.decoded).into()),
        }
    }

    fn sink(&mut self) -> &mut Sink {
        match &mut self.coding {
            Coding::Gzip(decoder) => decoder.get_mut(),
            Coding::Zstd(decoder) => decoder.get_mut(),
        }
    }
}

/// Where decoded bytes go, as long as there is room.
#[derive(Default)]
struct Sink {
    decoded: Vec<u8>,
    total: usize,
    room: usize,
    is_full: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.total + bytes.len() > self.room {
            self.is_full = true;
            return Err(io::Error::other("more than there is room for"));
        }
        self.total += bytes.len();
        self.decoded.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, 3).unwrap()
    }

    fn decode(mut decoder: Decoder, packed: &[u8], step: usize) -> Result<Vec<u8>, DecodeError> {
        let mut plain = Vec::new();
        for piece in packed.chunks(step) {
            plain.extend_from_slice(&decoder.feed(piece)?);
        }
        plain.extend_from_slice(&decoder.finish()?);
        Ok(plain)
    }

    #[test]
    fn bodies_are_decoded_however_they_are_cut() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        for step in [1, 7, 1_000, 1_000_000] {
            assert_eq!(
                decode(Decoder::gzip(1 << 20), &gzip(&text), step).unwrap(),
                text
            );
            assert_eq!(
                decode(Decoder::zstd(1 << 20).unwrap(), &zstd(&text), step).unwrap(),
                text
            );
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let text: Vec<u8> = (0..5_000_u32)
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        assert!(decode(Decoder::gzip(20_000), &gzip(&text), 100).is_ok());
        assert!(matches!(
            decode(Decoder::gzip(19_999), &gzip(&text), 100),
            Err(DecodeError::TooLarge(19_999))
        ));
        assert!(decode(Decoder::zstd(20_000).unwrap(), &zstd(&text), 100).is_ok());
        assert!(matches!(
            decode(Decoder::zstd(19_999).unwrap(), &zstd(&text), 100),
            Err(DecodeError::TooLarge(_))
        ));
    }

    #[test]
    fn bombs_are_stopped_by_their_ratio() {
        let zeros = vec![b'0'; 4 << 20];
        assert!(matches!(
            decode(Decoder::gzip(5 << 20), &gzip(&zeros), 512),
            Err(DecodeError::TooLarge(_))
        ));
        assert!(matches!(
            decode(Decoder::zstd(5 << 20).unwrap(), &zstd(&zeros), 512),
            Err(DecodeError::TooLarge(_))
        ));
        assert!(decode(Decoder::gzip(5 << 20), &gzip(&zeros[..64 * 1024]), 512).is_ok());
    }

    #[test]
    fn broken_bodies_are_told_from_large_ones() {
        let good = gzip(b"{\"model\":\"m\"}");
        let mut wrong_sum = good.clone();
        let at = wrong_sum.len() - 6;
        wrong_sum[at] ^= 0xff;
        for broken in [
            b"no gzip".to_vec(),
            good[..good.len() - 9].to_vec(),
            wrong_sum,
            Vec::new(),
        ] {
            assert!(
                matches!(
                    decode(Decoder::gzip(1_000), &broken, 4),
                    Err(DecodeError::Broken(_))
                ),
                "{broken:?}"
            );
        }
        let broken = decode(Decoder::zstd(1_000).unwrap(), b"no zstd at all", 4);
        assert!(matches!(broken, Err(DecodeError::Broken(_))));
    }
}
