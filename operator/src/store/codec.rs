//! Documents as they lie in the store: one zstd frame each.

use super::{Key, StoreError};

/// The largest document, in bytes before compression: an inventory of its largest size.
pub const MAX_DOCUMENT: usize = breakwater_core::inventory::MAX_INVENTORY;

/// A good ratio for JSON at about 100 MB/s.
const LEVEL: i32 = 6;

/// Returns the frame that holds `content`.
///
/// # Errors
/// [`StoreError::Damaged`] if the compressor gives up.
pub fn pack(key: &Key, content: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::compress(content, LEVEL)
        .map_err(|e| StoreError::Damaged { key: key.clone(), reason: e.to_string() })
}

/// Returns what a frame holds: at most [`MAX_DOCUMENT`] bytes, whatever it claims.
///
/// # Errors
/// [`StoreError::Damaged`] if it is no frame, or a larger one.
pub fn unpack(key: &Key, packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::decompress(packed, MAX_DOCUMENT)
        .map_err(|e| StoreError::Damaged { key: key.clone(), reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused_and_not_inflated() {
        let key = Key::Ledger("bomb");
        let bomb = zstd::bulk::compress(&vec![0; MAX_DOCUMENT + 1], 1).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(matches!(unpack(&key, &bomb), Err(StoreError::Damaged { .. })));
        let largest = pack(&key, &vec![0; MAX_DOCUMENT]).unwrap();
        assert_eq!(unpack(&key, &largest).unwrap().len(), MAX_DOCUMENT);
    }
}
