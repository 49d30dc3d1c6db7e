//! One OSV record (schema 1.7), as far as matching needs it. Unknown fields are ignored: the schema grows.

use serde::{Deserialize, Deserializer};

/// The largest record read, in bytes; the largest published ones (kernel advisories) are below 2 MiB.
pub(crate) const MAX_RECORD: usize = 8 << 20;

/// The most weaknesses kept of one record.
const MAX_CWES: usize = 16;

#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) published: Option<String>,
    #[serde(default)]
    pub(crate) modified: Option<String>,
    #[serde(default)]
    pub(crate) withdrawn: Option<String>,
    #[serde(default)]
    pub(crate) summary: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) aliases: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) upstream: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) related: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) severity: Vec<Score>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) affected: Vec<Affected>,
    #[serde(default)]
    pub(crate) database_specific: Option<Specific>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Score {
    #[serde(rename = "type")]
    pub(crate) scheme: String,
    pub(crate) score: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Affected {
    #[serde(default)]
    pub(crate) package: Option<Package>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) severity: Vec<Score>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) ranges: Vec<Range>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) versions: Vec<String>,
    #[serde(default)]
    pub(crate) ecosystem_specific: Option<Specific>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Range {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) introduced: Option<String>,
    pub(crate) fixed: Option<String>,
    pub(crate) last_affected: Option<String>,
    pub(crate) limit: Option<String>,
}

/// What publishers add: GitHub's and Ubuntu's word in `severity`, GitHub's weaknesses in `cwe_ids`, Debian's word in `urgency`, Go's
/// packages in `imports`. Any other shape is nothing to us.
#[derive(Debug, Default)]
pub(crate) struct Specific {
    pub(crate) severity: Option<String>,
    pub(crate) urgency: Option<String>,
    pub(crate) cwe_ids: Vec<String>,
    pub(crate) imports: Vec<Import>,
}

/// A package of a Go module that is affected (<https://go.dev/doc/security/vuln/database>), everywhere if no system and no architecture
/// is named.
#[derive(Debug, Deserialize)]
pub(crate) struct Import {
    pub(crate) path: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) goos: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) goarch: Vec<String>,
}

impl<'de> Deserialize<'de> for Specific {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Lenient {
            Known {
                severity: Option<Word>,
                urgency: Option<Word>,
                cwe_ids: Option<Words>,
                imports: Option<Imports>,
            },
            Other(serde::de::IgnoredAny),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Word {
            Text(String),
            Other(serde::de::IgnoredAny),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Words {
            Texts(Vec<String>),
            Other(serde::de::IgnoredAny),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Imports {
            Paths(Vec<Import>),
            Other(serde::de::IgnoredAny),
        }
        let text = |word: Option<Word>| match word {
            Some(Word::Text(text)) => Some(text),
            _ => None,
        };
        Ok(match Lenient::deserialize(deserializer)? {
            Lenient::Known { severity, urgency, cwe_ids, imports } => Self {
                severity: text(severity),
                urgency: text(urgency),
                cwe_ids: match cwe_ids {
                    Some(Words::Texts(ids)) => ids,
                    _ => Vec::new(),
                },
                imports: match imports {
                    Some(Imports::Paths(imports)) => imports,
                    _ => Vec::new(),
                },
            },
            Lenient::Other(_) => Self::default(),
        })
    }
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Record {
    /// Reads one record. Without an id it is none: nothing could be said of it.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let record: Self = serde_json::from_slice(json)?;
        if record.id.is_empty() {
            return Err(serde::de::Error::custom("its id is empty"));
        }
        Ok(record)
    }

    /// The CVE ids of what the record is about. They stand in `aliases`, for distributions in `upstream`, and for AlmaLinux, whose
    /// records bundle many, in `related`.
    pub(crate) fn cves(&self, related_counts: bool) -> Vec<&str> {
        let named = std::iter::once(&self.id).chain(&self.aliases).chain(&self.upstream);
        let mut cves: Vec<&str> = named.map(String::as_str).filter(|id| is_cve(id)).collect();
        if cves.is_empty() && related_counts {
            cves = self.related.iter().map(String::as_str).filter(|id| is_cve(id)).collect();
        }
        cves.sort_unstable();
        cves.dedup();
        cves
    }

    /// The weaknesses it is an instance of, by number.
    pub(crate) fn cwes(&self) -> Vec<u32> {
        let ids = self.database_specific.iter().flat_map(|specific| &specific.cwe_ids);
        ids.filter_map(|id| id.strip_prefix("CWE-")?.parse().ok()).take(MAX_CWES).collect()
    }

    /// All other ids of the same thing, its own among them.
    pub(crate) fn other_ids(&self) -> Vec<&str> {
        let named = std::iter::once(&self.id).chain(&self.aliases).chain(&self.upstream);
        let named = named.map(String::as_str).filter(|id| !is_cve(id) && !id.is_empty());
        let mut ids: Vec<&str> = named.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

pub(crate) fn is_cve(id: &str) -> bool {
    id.starts_with("CVE-")
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn unknown_fields_nulls_and_odd_shapes_are_tolerated() {
        let record = Record::parse(
            br#"{"id":"X-1","aliases":null,"new":{"a":1},"database_specific":{"severity":["odd"]},
                "affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":null,"ecosystem_specific":"odd"}]}"#,
        )
        .unwrap();
        assert_eq!(record.id, "X-1");
        assert!(record.database_specific.unwrap().severity.is_none());
    }

    #[test]
    fn imports_of_another_shape_are_none() {
        for (imports, count) in [
            (r#"[{"path":"a/b","goos":null,"symbols":["F"]},{"path":"a"}]"#, 2),
            (r#"[{"attribute":"f","modules":["m"]}]"#, 0),
            ("null", 0),
            ("5", 0),
        ] {
            let json =
                format!(r#"{{"id":"X-1","affected":[{{"ecosystem_specific":{{"imports":{imports}}}}}]}}"#);
            let record = Record::parse(json.as_bytes()).unwrap();
            assert_eq!(
                record.affected[0].ecosystem_specific.as_ref().unwrap().imports.len(),
                count,
                "{imports}"
            );
        }
    }

    #[test]
    fn what_has_no_name_is_none() {
        assert!(Record::parse(br#"{"id":""}"#).unwrap_err().to_string().contains("id is empty"));
        let record = Record::parse(br#"{"id":"X-1","aliases":["","CVE-1"],"upstream":[""]}"#).unwrap();
        assert_eq!(record.other_ids(), ["X-1"]);
    }

    #[test]
    fn cve_ids_of_a_distribution_stand_in_upstream_or_related() {
        let record =
            Record::parse(br#"{"id":"ALSA-1","related":["CVE-2020-2","CVE-2020-1","CVE-2020-2"]}"#).unwrap();
        assert_eq!(record.cves(true), ["CVE-2020-1", "CVE-2020-2"]);
        assert!(record.cves(false).is_empty());
        let record =
            Record::parse(br#"{"id":"DSA-1","upstream":["CVE-2020-1"],"related":["CVE-2020-9"]}"#).unwrap();
        assert_eq!(record.cves(true), ["CVE-2020-1"]);
        assert_eq!(record.other_ids(), ["DSA-1"]);
    }
}
