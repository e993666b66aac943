//! Decoding of answers that came compressed although nobody asked for it, chunk by chunk.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzDecoder;

/// What may come out before the ratio is looked at.
const FREE: u64 = 1024 * 1024;
/// How many times its size a compressed byte may have.
const RATIO: u64 = 100;

/// A decoder for one answer.
pub(super) struct Gunzip {
    decoder: GzDecoder<Sink>,
    /// Most bytes that may have come out by now.
    allowed: u64,
}

/// Takes what comes out, up to a limit.
#[derive(Default)]
struct Sink {
    out: Vec<u8>,
    taken: u64,
    allowed: u64,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self {
            decoder: GzDecoder::new(Sink::default()),
            allowed: FREE,
        }
    }

    /// All that this chunk and those before give.
    pub(super) fn decode(&mut self, chunk: &[u8]) -> io::Result<Bytes> {
        self.allowed += RATIO * chunk.len() as u64;
        self.decoder.get_mut().allowed = self.allowed;
        let mut rest = chunk;
        while !rest.is_empty() {
            match self.decoder.write(rest)? {
                // The answer is complete; what follows is none of it.
                0 => break,
                written => rest = &rest[written..],
            }
        }
        self.decoder.flush()?;
        Ok(Bytes::from(std::mem::take(&mut self.decoder.get_mut().out)))
    }

    /// Checks that nothing is missing.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.decoder.try_finish()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.taken += bytes.len() as u64;
        if self.taken > self.allowed {
            return Err(io::Error::other("compressed more than a hundredfold"));
        }
        self.out.extend_from_slice(bytes);
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

    fn compressed(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut chunks: Vec<Vec<u8>> = Vec::new();
        for part in parts {
            encoder.write_all(part).unwrap();
            encoder.flush().unwrap();
            chunks.push(std::mem::take(encoder.get_mut()));
        }
        encoder.try_finish().unwrap();
        chunks.push(std::mem::take(encoder.get_mut()));
        chunks
    }

    #[test]
    fn each_chunk_gives_at_once_what_it_holds() {
        let parts: [&[u8]; 3] = [b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"];
        let mut gunzip = Gunzip::new();
        let chunks = compressed(&parts);
        for (chunk, part) in chunks.iter().zip(parts) {
            assert_eq!(gunzip.decode(chunk).unwrap(), part);
        }
        assert_eq!(gunzip.decode(&chunks[3]).unwrap(), "");
        gunzip.finish().unwrap();
    }

    #[test]
    fn bytes_one_at_a_time_give_the_same() {
        let text: Vec<u8> = (0..5_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut gunzip = Gunzip::new();
        let mut out = Vec::new();
        for byte in compressed(&[&text]).concat() {
            out.extend_from_slice(&gunzip.decode(&[byte]).unwrap());
        }
        gunzip.finish().unwrap();
        assert_eq!(out, text);
    }

    #[test]
    fn a_bomb_a_cut_and_rubbish_are_errors() {
        let bomb = compressed(&[&vec![0; 50_000_000]]).concat();
        let mut gunzip = Gunzip::new();
        assert!(
            bomb.chunks(16 * 1024)
                .any(|chunk| gunzip.decode(chunk).is_err())
        );
        let whole = compressed(&[b"hello"]).concat();
        let mut gunzip = Gunzip::new();
        gunzip.decode(&whole[..whole.len() - 3]).unwrap();
        assert!(gunzip.finish().is_err());
        assert!(Gunzip::new().decode(b"no gzip at all").is_err());
        assert!(Gunzip::new().finish().is_err());
    }

    #[test]
    fn what_follows_the_end_is_ignored() {
        let mut gunzip = Gunzip::new();
        let mut whole = compressed(&[b"hello"]).concat();
        whole.extend_from_slice(b"trailing rubbish");
        assert_eq!(gunzip.decode(&whole).unwrap(), "hello");
        gunzip.decode(b"more").unwrap();
        gunzip.finish().unwrap();
    }
}
