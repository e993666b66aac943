//! Vectors that depend on the text and on nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelgate_domain::head::Encoding;
use ring::digest::{SHA256, digest};

/// A vector of length one for this text, as JSON.
pub(super) fn written(text: &str, dimensions: u64, encoding: Encoding) -> String {
    let vector = unit(text, dimensions);
    match encoding {
        Encoding::Float => format!("{vector:?}").replace(' ', ""),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
            format!("\"{}\"", STANDARD.encode(bytes))
        }
    }
}

fn unit(text: &str, dimensions: u64) -> Vec<f32> {
    let raw: Vec<f32> = (0..dimensions.div_ceil(16))
        .flat_map(|block| numbers(text, block))
        .take(usize::try_from(dimensions).unwrap_or(usize::MAX))
        .collect();
    let length = raw.iter().map(|number| number * number).sum::<f32>().sqrt();
    raw.into_iter().map(|number| number / length).collect()
}

/// Sixteen numbers between -1 and 1, none of them 0.
fn numbers(text: &str, block: u64) -> [f32; 16] {
    let hash = digest(&SHA256, &[&block.to_le_bytes(), text.as_bytes()].concat());
    let (pairs, _) = hash.as_ref().as_chunks::<2>();
    std::array::from_fn(|index| {
        let number = pairs.get(index).map_or(0, |pair| i16::from_le_bytes(*pair));
        (f32::from(number) + 0.5) / 32_768.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_and_belong_to_their_text() {
        for dimensions in [1, 16, 64, 100, 4096] {
            let vector = unit("hello", dimensions);
            assert_eq!(vector.len() as u64, dimensions);
            let length: f32 = vector.iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-4);
        }
        assert_eq!(unit("a", 64), unit("a", 64));
        assert_ne!(unit("a", 64), unit("b", 64));
    }

    #[test]
    fn both_forms_are_the_same_vector() {
        let floats: Vec<f32> = serde_json::from_str(&written("x", 3, Encoding::Float)).unwrap();
        let base64: String = serde_json::from_str(&written("x", 3, Encoding::Base64)).unwrap();
        let bytes: Vec<u8> = floats.into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(STANDARD.decode(base64).unwrap(), bytes);
    }
}
