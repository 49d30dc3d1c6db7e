//! Maps and lists of documents, bounded while they are read.

use std::{fmt, marker::PhantomData};

use breakwater_core::inventory::MAX_PACKAGES;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A map as the list of its entries; more than [`MAX_PACKAGES`] are an error, null is none.
pub(super) struct Entries<V>(pub(super) Vec<(String, V)>);

/// A list; more than [`MAX_PACKAGES`] items are an error, null is none.
pub(super) struct List<V>(pub(super) Vec<V>);

/// The text that a list begins with, whatever follows.
pub(super) struct First(pub(super) String);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Default for List<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MapReader(PhantomData)).map(Self)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for List<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListReader(PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstReader).map(Self)
    }
}

struct MapReader<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for MapReader<V> {
    type Value = Vec<(String, V)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            push(&mut entries, entry)?;
        }
        Ok(entries)
    }
}

struct ListReader<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for ListReader<V> {
    type Value = Vec<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            push(&mut items, item)?;
        }
        Ok(items)
    }
}

struct FirstReader;

impl<'de> Visitor<'de> for FirstReader {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list that begins with a text")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let first = list.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

fn push<T, E: Error>(items: &mut Vec<T>, item: T) -> Result<(), E> {
    if items.len() == MAX_PACKAGES {
        return Err(E::custom("too many entries"));
    }
    items.push(item);
    Ok(())
}
