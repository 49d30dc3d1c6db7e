//! Who asked the API server for what.

use std::io::{BufRead, BufReader, Seek, SeekFrom};

use serde::Deserialize;

/// The operator's own account.
pub const OPERATOR: &str = "system:serviceaccount:breakwater-system:breakwater-operator";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub verb: String,
    pub user: User,
    #[serde(default)]
    pub object_ref: ObjectRef,
    #[serde(default)]
    pub response_status: Status,
    #[serde(rename = "requestURI")]
    pub request_uri: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct User {
    #[serde(default)]
    pub username: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub api_group: String,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    pub code: u16,
}

impl Request {
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// `group/resource/subresource`, as roles name it.
    pub fn resource(&self) -> String {
        let ObjectRef { resource, subresource, api_group, .. } = &self.object_ref;
        let path =
            if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
        if api_group.is_empty() { path } else { format!("{api_group}/{path}") }
    }
}

/// A place in the log to read from.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

impl Mark {
    pub fn now() -> Self {
        Self(std::fs::metadata(path()).map(|file| file.len()).unwrap_or(0))
    }

    pub fn beginning() -> Self {
        Self(0)
    }

    /// Requests that ended since, by this user.
    pub fn requests_of(self, user: &str) -> Vec<Request> {
        let mut file = std::fs::File::open(path()).expect("the audit log is there");
        file.seek(SeekFrom::Start(self.0)).expect("it can be read from the mark");
        BufReader::new(file)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<Request>(&line).ok())
            .filter(|request| request.user.username == user)
            .collect()
    }
}

fn path() -> String {
    super::variable("AUDIT_LOG")
}
