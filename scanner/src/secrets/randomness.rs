//! How random a text looks.

/// Shannon entropy in bits a byte, from the text's own frequencies: 0 for one letter repeated, at most log2 of its length.
pub(super) fn bits(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "a text is shorter than 2^52 bytes")]
    let length = text.len() as f64;
    let share = |count: &u32| f64::from(*count) / length;
    -counts.iter().filter(|count| **count > 0).map(share).map(|share| share * share.log2()).sum::<f64>()
}

/// Whether most letters are the next, the previous or the same as the one before: `12345678`, `abcdef`, `xxxx`.
pub(super) fn is_sequence(text: &[u8]) -> bool {
    let steps = text.windows(2).filter(|pair| matches!(pair, [a, b] if a.abs_diff(*b) <= 1)).count();
    steps * 2 > text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_and_repetitions_are_not_random() {
        assert!(bits(b"aaaaaaaa") < 0.1);
        assert!((bits(b"abcdefgh") - 3.0).abs() < 1e-9);
        assert!(bits(b"").abs() < 1e-9);
        for text in ["1234567890", "abcdefghij", "xxxxxxxx", "0987654321", "aabbccddee"] {
            assert!(is_sequence(text.as_bytes()), "{text}");
        }
        assert!(!is_sequence(b"q7Zp0LxW3nVb"));
    }
}
