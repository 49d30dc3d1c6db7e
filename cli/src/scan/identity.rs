//! Names that documents need and nobody gives them: derived from what they say, so that one image gives one document.

use sha2::{Digest, Sha256};

/// A UUID of version 8 (RFC 9562 §5.8) from the SHA-256 of a document.
pub(crate) fn uuid(document: &serde_json::Value) -> String {
    let hash: [u8; 32] = Sha256::digest(document.to_string()).into();
    let mut number = u128::from_be_bytes(std::array::from_fn(|place| hash.get(place).copied().unwrap_or(0)));
    number = number & !(0xf << 76) | (8 << 76);
    number = number & !(0b11 << 62) | (0b10 << 62);
    let digits = format!("{number:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// What stays the same for the same thing in the next scan: the SHA-256 of its parts.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") apart from ("a", "bc").
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{fingerprint, uuid};

    #[test]
    fn uuids_have_version_and_variant_and_follow_the_content() {
        let one = uuid(&json!({"a": 1}));
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'8');
        assert!(matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{one}");
        assert_eq!(one, uuid(&json!({"a": 1})));
        assert_ne!(one, uuid(&json!({"a": 2})));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    }
}
