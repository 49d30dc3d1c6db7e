//! A licence as JSON metadata state it: a text, an object with `type` or `name`, or a list of those.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::of_statements;
use crate::limits::MAX_LICENSES;

/// The statements, at most [`MAX_LICENSES`]; whatever else stands in their place is passed over.
#[derive(Debug, Default)]
pub(crate) struct Stated(Vec<String>);

impl Stated {
    /// As [`super::spdx`].
    pub(crate) fn licenses(&self) -> Vec<String> {
        of_statements(self.0.iter().map(String::as_str))
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl<'de> Deserialize<'de> for Stated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Stated;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a licence")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Stated, E> {
        Ok(Stated(vec![text.to_owned()]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stated, A::Error> {
        let mut stated = Stated::default();
        while let Some(key) = map.next_key::<String>()? {
            if matches!(key.as_str(), "type" | "name") {
                let value: Stated = map.next_value()?;
                stated = if stated.0.is_empty() { value } else { stated };
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(stated)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Stated, A::Error> {
        let mut all = Stated::default();
        while all.0.len() < MAX_LICENSES {
            match list.next_element::<Stated>()? {
                Some(stated) => all = all.and(stated),
                None => return Ok(all),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(all)
    }

    fn visit_unit<E: Error>(self) -> Result<Stated, E> {
        Ok(Stated::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Stated, E> {
        Ok(Stated::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Stated, E> {
        Ok(Stated::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Stated, E> {
        Ok(Stated::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Stated, E> {
        Ok(Stated::default())
    }
}
