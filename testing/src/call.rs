//! One request: as it came in, and as it is remembered.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::http::{HeaderMap, Method, Uri, header};
use serde_json::Value;

use crate::kinds::{KINDS, Kind};

/// What a request asks for, in the words of RBAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// Reports whether it may change something.
    #[must_use]
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// A request that the server has received.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The name given to [`crate::FakeApi::client_as`].
    pub client: Arc<str>,
    pub verb: Verb,
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// `null` if there was none.
    pub body: Value,
    /// The server's answer, heard or not; `None` while the request has had no effect: cut off before it, or late.
    pub status: Option<u16>,
    /// Whether it asks a question by a POST (access and token reviews): no write.
    pub is_review: bool,
}

impl Request {
    /// Reports whether it may have changed something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.verb.is_write() && !self.is_review && !self.query.contains_key("dryRun")
    }
}

/// For example `PUT /apis/apps/v1/namespaces/shop/deployments/web/scale`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What a path names.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// Empty for objects of the cluster, and for collections in all namespaces.
    pub(crate) namespace: String,
    /// Empty for collections.
    pub(crate) name: String,
    pub(crate) subresource: Option<String>,
}

/// A request, read.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) request: Request,
    /// `None`: the path names nothing.
    pub(crate) target: Option<Target>,
    pub(crate) content_type: String,
    /// Whether only the metadata of objects is asked for.
    pub(crate) metadata_only: bool,
}

impl Call {
    pub(crate) fn read(
        client: Arc<str>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        defined: &[Kind],
    ) -> Self {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let target = parse(uri.path(), defined);
        let has_name = target.as_ref().is_some_and(|target| !target.name.is_empty());
        let is_watch = query.get("watch").is_some_and(|watch| watch == "true" || watch == "1");
        let verb = match (method.as_str(), has_name) {
            ("GET", _) if is_watch => Verb::Watch,
            ("GET", false) if target.is_some() => Verb::List,
            ("POST", _) => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("PATCH", _) => Verb::Patch,
            ("DELETE", true) => Verb::Delete,
            ("DELETE", false) => Verb::DeleteCollection,
            _ => Verb::Get,
        };
        let header =
            |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let request = Request {
            client,
            verb,
            method: method.to_string(),
            path: uri.path().to_owned(),
            query,
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            status: None,
            is_review: target.as_ref().is_some_and(|target| target.kind.is_review()),
        };
        Self {
            request,
            target,
            content_type: header(header::CONTENT_TYPE),
            metadata_only: header(header::ACCEPT).contains("as=PartialObjectMetadata"),
        }
    }

    pub(crate) fn query(&self, name: &str) -> &str {
        self.request.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.query("dryRun") == "All"
    }

    /// The field manager; a server takes the start of the user agent where none is given.
    pub(crate) fn manager(&self) -> &str {
        match self.query("fieldManager") {
            "" => "unnamed",
            name => name,
        }
    }
}

fn parse(path: &str, defined: &[Kind]) -> Option<Target> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        // `namespaces/x/status` is a part of the namespace itself.
        ["namespaces", namespace, next, ..] if !matches!(*next, "status" | "finalize") => {
            (*namespace, &rest[2..])
        }
        _ => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, "", None),
        [plural, name] => (*plural, *name, None),
        [plural, name, subresource] => (*plural, *name, Some((*subresource).to_owned())),
        _ => return None,
    };
    let kind = *KINDS
        .iter()
        .chain(defined)
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)?;
    let is_misplaced =
        if kind.is_namespaced { namespace.is_empty() && !name.is_empty() } else { !namespace.is_empty() };
    (!is_misplaced).then(|| Target { kind, namespace: namespace.into(), name: name.into(), subresource })
}
