use std::fmt;

use breakwater_core::Digest;

use super::Domain;

/// What a document is about, and so what it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of a platform's manifest, and for whom it is a fact.
    Inventory(Domain, Digest),
    /// Of an index or a configuration digest: which manifests of which platforms belong to it.
    Resolution(Digest),
    /// Of a platform's manifest: when its findings were first seen.
    History(Digest),
    /// A ledger of the operator, by name: lower-case letters and `-`.
    Ledger(&'static str),
}

/// The kinds of documents that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Inventory,
    Resolution,
    History,
}

impl Room {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Resolution => "resolution",
            Self::History => "history",
        }
    }

    /// The key that [`Key::leaf`] was made from; `None` if it is none of ours.
    #[must_use]
    pub fn key(self, leaf: &str) -> Option<Key> {
        let (domain, hex) = match leaf.split_once('-') {
            Some((namespace, hex)) => (Domain::Namespace(namespace.to_owned()), hex),
            None => (Domain::Everyone, leaf),
        };
        let digest = format!("sha256:{hex}").parse().ok()?;
        match (self, domain) {
            (Self::Inventory, domain) => Some(Key::Inventory(domain, digest)),
            (Self::Resolution, Domain::Everyone) => Some(Key::Resolution(digest)),
            (Self::History, Domain::Everyone) => Some(Key::History(digest)),
            // Only inventories are facts of a namespace.
            (Self::Resolution | Self::History, Domain::Namespace(_)) => None,
        }
    }
}

impl Key {
    /// The room's name, also for ledgers, which are not listed.
    pub(super) fn room(&self) -> &'static str {
        match self {
            Self::Inventory(..) => Room::Inventory.name(),
            Self::Resolution(_) => Room::Resolution.name(),
            Self::History(_) => Room::History.name(),
            Self::Ledger(_) => "ledger",
        }
    }

    /// The name within the room. [`Room::key`] leads back.
    #[must_use]
    pub fn leaf(&self) -> String {
        match self {
            Self::Inventory(Domain::Namespace(namespace), digest) => format!("{namespace}-{}", digest.hex()),
            Self::Inventory(Domain::Everyone, digest) | Self::Resolution(digest) | Self::History(digest) => {
                digest.hex()
            }
            Self::Ledger(name) => (*name).to_owned(),
        }
    }

    /// The object's name: `bw-inv-…`, `bw-res-…`, `bw-his-…`, `bw-led-…`.
    pub(super) fn object_name(&self) -> String {
        format!("{}{}", prefix(self.room()), self.leaf())
    }
}

/// What the names of a room's objects begin with.
pub(super) fn prefix(room: &str) -> String {
    let short: String = room.chars().take(3).collect();
    format!("bw-{short}-")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.room(), self.leaf())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key() {
        let digest = Digest::of(b"x");
        for (room, key) in [
            (Room::Inventory, Key::Inventory(Domain::Everyone, digest.clone())),
            (Room::Inventory, Key::Inventory(Domain::namespace("team"), digest.clone())),
            (Room::Resolution, Key::Resolution(digest.clone())),
            (Room::History, Key::History(digest.clone())),
        ] {
            assert_eq!(room.name(), key.room());
            assert_eq!(room.key(&key.leaf()), Some(key.clone()));
            assert_eq!(key.object_name().strip_prefix(&prefix(room.name())), Some(key.leaf().as_str()));
        }
        assert_eq!(
            Key::Inventory(Domain::Everyone, digest.clone()).object_name(),
            format!("bw-inv-{}", digest.hex())
        );
        assert_eq!(Key::Ledger("revision").object_name(), "bw-led-revision");
        assert_eq!(Room::Inventory.key("not-hex"), None);
        let of_a_namespace = Key::Inventory(Domain::namespace("team"), digest).leaf();
        assert_eq!(Room::Resolution.key(&of_a_namespace), None);
        assert_eq!(Room::History.key(&of_a_namespace), None);
    }
}
