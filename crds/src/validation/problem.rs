use std::fmt;

use breakwater_core::{
    glob::InvalidGlob, platform::InvalidPlatform, reference::InvalidReference, schedule::InvalidSchedule,
};

/// What is wrong with one field, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("expected {expected}")]
    WrongKind { expected: String },
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("required value")]
    Missing,
    #[error("unknown field (names are case-sensitive)")]
    UnknownField,
    #[error("must be of type {0}")]
    Type(String),
    #[error("too long: {length} characters, at most {max} are allowed")]
    TooLong { length: usize, max: i64 },
    #[error("too short: {length} characters, at least {min} are needed")]
    TooShort { length: usize, min: i64 },
    #[error("too many: {count} items, at most {max} are allowed")]
    TooMany { count: usize, max: i64 },
    #[error("too few: {count} items, at least {min} are needed")]
    TooFew { count: usize, min: i64 },
    #[error("invalid value: {value}, expected {min} to {max}")]
    OutOfRange { value: i64, min: String, max: String },
    #[error("invalid value: {value:?}, expected {expected}")]
    Pattern { value: String, expected: &'static str },
    #[error("unsupported value: {value:?}, supported values: {expected}")]
    NotOneOf { value: String, expected: String },
    #[error("duplicate value: {0:?}")]
    Duplicate(String),
    #[error("exactly one of {0} is needed")]
    ExactlyOne(&'static str),
    #[error("{0}")]
    Contradiction(&'static str),
    #[error(
        "{0:?} is not a duration: write hours, minutes, seconds, for example 168h or 1h30m; days are 24h each"
    )]
    Duration(String),
    #[error("too short: at least {0} is needed")]
    ShorterThan(&'static str),
    #[error("{0:?} is not a time: write RFC 3339 with time zone, for example 2027-01-31T00:00:00Z")]
    Time(String),
    #[error("{0:?} is not a CVSS score: write 0.0 to 10.0 with at most one decimal, as a string")]
    Cvss(String),
    #[error(
        "{0:?} is not a vulnerability id: write CVE-YYYY-NNNN, or the id of another source such as GHSA-xxxx-xxxx-xxxx"
    )]
    VulnerabilityId(String),
    #[error("{0:?} is not a version range: write for example \">=1.2, <2\"")]
    VersionRange(String),
    #[error(
        "{0:?} is not a registry: write https://host[:port], the host with a dot or a port, without path or user"
    )]
    Registry(String),
    #[error("{0:?} names no registry: write it out, for example docker.io/library/{0}")]
    ShortImageName(String),
    #[error("{0:?} is not a Linux capability: write it without CAP_, for example NET_BIND_SERVICE")]
    Capability(String),
    #[error("{0:?} is not a network: write address/prefix, for example 10.0.0.0/8")]
    Cidr(String),
    #[error("is not a PEM public key: write what `openssl pkey -pubout` prints")]
    PublicKey,
    #[error("{0:?} is not a label key: write for example example.com/owner")]
    LabelKey(String),
    #[error(
        "selects namespaces, which only objects in the operator's namespace ({0}) may do: remove it, or move the object"
    )]
    ForeignNamespace(String),
    #[error("belongs only to objects in the operator's namespace ({0}): remove it, or move the object")]
    OnlyAtHome(String),
    #[error("has no containers: write a batch/v1 JobTemplateSpec")]
    JobTemplate,
    #[error("not found: {0:?}, expected the name of an entry of spec.rules.reports")]
    NoSuchReport(String),
    #[error("unknown rule or check: {name:?}; the closest valid name is {closest:?}")]
    UnknownRule { name: String, closest: &'static str },
    #[error(transparent)]
    Schedule(#[from] InvalidSchedule),
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    #[error(transparent)]
    Platform(#[from] InvalidPlatform),
    #[error(transparent)]
    Glob(#[from] InvalidGlob),
}

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// For example `spec.registries[0].url`.
    pub path: String,
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.fault)
    }
}

/// Everything that is wrong with an object, by path. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

/// The most problems that are spelled out; a message has room for about so many.
const MAX_SHOWN: usize = 8;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().take(MAX_SHOWN).enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        match self.0.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Problems {}
