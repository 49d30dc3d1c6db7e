use sha2::{Digest as _, Sha256};

/// Digits of a fingerprint. 48 bits tell a fleet's secrets apart.
const DIGITS: usize = 12;

/// Of a generated secret: the same wherever the same value is found. Guessing 128 random bits from 48 bits of digest is hopeless.
pub(super) fn of_value(rule: &str, value: &[u8]) -> String {
    digest(&[b"value", rule.as_bytes(), value])
}

/// Of a secret that people may have made up: nothing of the value goes in, because dictionaries are small.
pub(super) fn of_place(rule: &str, path: &str, line: u32) -> String {
    digest(&[b"place", rule.as_bytes(), path.as_bytes(), &line.to_be_bytes()])
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new_with_prefix(b"breakwater secret fingerprint 1");
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digits = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    digits.chars().take(DIGITS).collect()
}
