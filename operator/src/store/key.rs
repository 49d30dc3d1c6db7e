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

/// The kinds of documents that are listed, counted and collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    Inventory,
    Resolution,
    History,
}

impl Collection {
    pub(super) const ALL: [Self; 3] = [Self::Inventory, Self::Resolution, Self::History];

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
    /// The collection's name, also for ledgers, which are not listed.
    pub(super) fn collection(&self) -> &'static str {
        match self {
            Self::Inventory(..) => Collection::Inventory.name(),
            Self::Resolution(_) => Collection::Resolution.name(),
            Self::History(_) => Collection::History.name(),
            Self::Ledger(_) => "ledger",
        }
    }

    /// The name within the collection. [`Collection::key`] leads back.
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

    /// The digest that it is about; none for a ledger.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Inventory(_, digest) | Self::Resolution(digest) | Self::History(digest) => Some(digest),
            Self::Ledger(_) => None,
        }
    }

    /// The domain whose share it counts against; none for a ledger, which is outside of the quota.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        match self {
            Self::Inventory(domain, _) => Some(domain),
            Self::Resolution(_) | Self::History(_) => Some(&Domain::Everyone),
            Self::Ledger(_) => None,
        }
    }

    /// The object's name: `bw-inv-…`, `bw-res-…`, `bw-his-…`, `bw-led-…`.
    pub(super) fn object_name(&self) -> String {
        format!("{}{}", prefix(self.collection()), self.leaf())
    }
}

/// What the names of a collection's objects begin with.
pub(super) fn prefix(collection: &str) -> String {
    let short: String = collection.chars().take(3).collect();
    format!("bw-{short}-")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.collection(), self.leaf())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key() {
        let digest = Digest::of(b"x");
        for (collection, key) in [
            (Collection::Inventory, Key::Inventory(Domain::Everyone, digest.clone())),
            (Collection::Inventory, Key::Inventory(Domain::namespace("team"), digest.clone())),
            (Collection::Resolution, Key::Resolution(digest.clone())),
            (Collection::History, Key::History(digest.clone())),
        ] {
            assert_eq!(collection.name(), key.collection());
            assert_eq!(collection.key(&key.leaf()), Some(key.clone()));
            assert_eq!(key.object_name().strip_prefix(&prefix(collection.name())), Some(key.leaf().as_str()));
        }
        assert_eq!(
            Key::Inventory(Domain::Everyone, digest.clone()).object_name(),
            format!("bw-inv-{}", digest.hex())
        );
        assert_eq!(Key::Ledger("revision").object_name(), "bw-led-revision");
        assert_eq!(Collection::Inventory.key("not-hex"), None);
        let of_a_namespace = Key::Inventory(Domain::namespace("team"), digest).leaf();
        assert_eq!(Collection::Resolution.key(&of_a_namespace), None);
        assert_eq!(Collection::History.key(&of_a_namespace), None);
    }
}
