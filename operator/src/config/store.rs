use serde::{Deserialize, Serialize};

/// The place of inventories and histories. Read at the start of the process: a change takes effect with the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Store {
    /// ConfigMaps in the operator's namespace.
    ConfigMap {},
    /// A directory, for example of a PersistentVolumeClaim.
    File { directory: String },
    /// A bucket of an S3-compatible server.
    S3(S3),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3 {
    /// Base URL of the server, without the bucket.
    pub endpoint: String,
    /// It has to exist.
    pub bucket: String,
    #[serde(default = "region")]
    pub region: String,
    /// What all keys begin with, so that one bucket can serve several clusters. Empty: nothing.
    #[serde(default)]
    pub prefix: String,
    /// Without it the endpoint has to be HTTPS.
    #[serde(default)]
    pub allow_http: bool,
    /// The directory at which a Secret with the keys `accessKeyId` and `secretAccessKey` is mounted; `sessionToken` and `ca.crt` may be
    /// there as well.
    #[serde(default = "credentials")]
    pub credentials: String,
    /// The most GiB that all documents may have (1–65536).
    #[serde(default = "quota_gib")]
    pub quota_gib: u32,
}

fn region() -> String {
    "us-east-1".into()
}

fn credentials() -> String {
    "/etc/breakwater/s3".into()
}

const fn quota_gib() -> u32 {
    10
}

impl Store {
    /// Returns for each field whether it is valid, its name, and what it has to be.
    pub(super) fn rules(&self) -> Vec<(bool, &'static str, &'static str)> {
        match self {
            Self::ConfigMap {} => Vec::new(),
            Self::File { directory } => {
                vec![(directory.starts_with('/'), "store.file.directory", "an absolute path")]
            }
            Self::S3(s3) => s3.rules(),
        }
    }
}

impl S3 {
    fn rules(&self) -> Vec<(bool, &'static str, &'static str)> {
        let Self { endpoint, bucket, region, prefix, allow_http, credentials, quota_gib } = self;
        let is_word =
            |text: &str| !text.is_empty() && text.len() <= 255 && !text.contains(['/', ' ', '?', '#']);
        let scheme = url::Url::parse(endpoint).map(|url| url.scheme().to_owned()).unwrap_or_default();
        let is_secure = scheme == "https" || scheme == "http" && *allow_http;
        vec![
            (is_secure, "store.s3.endpoint", "an https: URL; http: needs allowHttp: true"),
            (is_word(bucket), "store.s3.bucket", "the name of a bucket"),
            (is_word(region), "store.s3.region", "a region"),
            (
                prefix.len() <= 512 && !prefix.contains(".."),
                "store.s3.prefix",
                "at most 512 bytes, without ..",
            ),
            (credentials.starts_with('/'), "store.s3.credentials", "an absolute path"),
            ((1..=65_536).contains(quota_gib), "store.s3.quotaGib", "between 1 and 65536"),
        ]
    }
}
