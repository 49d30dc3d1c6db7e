//! Programs that mine cryptocurrency: by the name of the executable, or by what is written in it.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Executables by their exact name, or by the part before `-` or `_`.
const NAMES: [&str; 22] = [
    "bfgminer",
    "bzminer",
    "ccminer",
    "cgminer",
    "cpuminer",
    "ethminer",
    "gminer",
    "kdevtmpfsi",
    "kinsing",
    "lolminer",
    "minerd",
    "minergate",
    "nanominer",
    "nbminer",
    "nheqminer",
    "phoenixminer",
    "srbminer",
    "sugarmaker",
    "teamredminer",
    "wildrig",
    "xmr",
    "xmrig",
];

/// What miners carry and other programs do not carry together: the scheme of a pool's address, and the names of algorithms and options.
const MARKERS: [&str; 6] = ["stratum+", "randomx", "RandomX", "cryptonight", "CryptoNight", "donate-level"];
const SCHEME: usize = 0;
/// The longest marker less one: what of a piece may be a marker's beginning.
const OVERLAP: usize = 11;

/// It is built from constants; the tests show that it can be. Of this kind of match alone the library searches for all markers at once
/// with vector instructions: every program goes through here.
static AUTOMATON: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(MARKERS).ok());

/// Whether an executable of this name is a miner.
pub(crate) fn is_miner_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let stem = name.split(['-', '_', '.']).next().unwrap_or_default();
    NAMES.contains(&stem) || name.starts_with("t-rex") && !name.contains('.')
}

/// Searches a program's bytes, handed over in pieces, for markers.
#[derive(Debug, Default)]
pub struct MinerSearch {
    seen: [bool; MARKERS.len()],
    overlap: Vec<u8>,
}

impl MinerSearch {
    pub fn push(&mut self, piece: &[u8]) {
        let head = piece.get(..OVERLAP).unwrap_or(piece);
        self.overlap.extend_from_slice(head);
        let overlap = std::mem::take(&mut self.overlap);
        self.look(&overlap);
        self.look(piece);
        let kept = if piece.len() >= OVERLAP { piece } else { &overlap };
        self.overlap = kept.get(kept.len().saturating_sub(OVERLAP)..).unwrap_or_default().to_vec();
    }

    /// Markers of which two kinds, the scheme among them, make a miner.
    #[must_use]
    pub fn finish(&self) -> Option<String> {
        let seen = MARKERS.iter().zip(self.seen).filter(|(_, seen)| *seen).map(|(marker, _)| *marker);
        let seen: Vec<&str> = seen.collect();
        let is_miner = self.seen.get(SCHEME) == Some(&true) && seen.len() >= 2;
        is_miner.then(|| format!("contains {}", seen.join(", ")))
    }

    fn look(&mut self, text: &[u8]) {
        let Some(automaton) = &*AUTOMATON else { return };
        for hit in automaton.find_iter(text) {
            if let Some(seen) = self.seen.get_mut(hit.pattern().as_usize()) {
                *seen = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_miners() {
        for (name, expected) in [
            ("xmrig", true),
            ("xmrig-6.21", true),
            ("XMRig", true),
            ("t-rex", true),
            ("miner", false),
            ("bash", false),
        ] {
            assert_eq!(is_miner_name(name), expected, "{name}");
        }
    }

    #[test]
    fn markers_count_together_and_across_pieces() {
        for (text, expected) in [
            ("… stratum+tcp://pool … --donate-level …", Some("contains stratum+, donate-level")),
            ("stratum+tcp alone", None),
            ("RandomX and cryptonight are words", None),
        ] {
            for size in [1, 2, 5, 11, 12, 100] {
                let mut search = MinerSearch::default();
                text.as_bytes().chunks(size).for_each(|piece| search.push(piece));
                assert_eq!(search.finish().as_deref(), expected, "{text} in pieces of {size}");
            }
        }
    }
}
