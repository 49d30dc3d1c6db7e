//! From all the pull secrets a ScanJob may use to the entries of the registry it asks and of its mirrors. Nothing else reaches the pod.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The largest Secret that is looked at, in bytes: what the API server allows.
const MAX_SECRET: usize = 1 << 20;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    auths: BTreeMap<String, Map<String, Value>>,
}

/// A docker `config.json` with the entries of `hosts` alone; `None` if no secret has one. The first secret that names a key wins, as the
/// kubelet does it. Fields that no registry needs are dropped.
#[must_use]
pub fn config_for<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    hosts: &BTreeSet<&str>,
) -> Option<Vec<u8>> {
    let mut auths: BTreeMap<String, Value> = BTreeMap::new();
    for (key, entry) in secrets.into_iter().flat_map(entries) {
        if hosts.contains(host(&key).as_str()) {
            let fields = ["auth", "username", "password", "identitytoken", "registrytoken"];
            let kept =
                fields.into_iter().filter_map(|field| Some((field.to_owned(), entry.get(field)?.clone())));
            auths.entry(key).or_insert_with(|| kept.collect::<Map<_, _>>().into());
        }
    }
    (!auths.is_empty()).then(|| json!({"auths": auths}).to_string().into_bytes())
}

/// The entries of a `dockerconfigjson` or legacy `dockercfg` Secret; none if it is neither.
fn entries(secret: &Secret) -> Vec<(String, Map<String, Value>)> {
    let data = |key: &str| {
        secret.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice()).filter(|b| b.len() <= MAX_SECRET)
    };
    let document = match (data(".dockerconfigjson"), data(".dockercfg")) {
        (Some(bytes), _) => serde_json::from_slice(bytes).ok(),
        (None, Some(bytes)) => serde_json::from_slice(bytes).ok().map(|auths| Document { auths }),
        (None, None) => None,
    };
    document.map(|document| document.auths.into_iter().collect()).unwrap_or_default()
}

/// The host and port of an `auths` key, which may be a URL and may have a path. Docker Hub's names are one.
fn host(key: &str) -> String {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".into(),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn secret(key: &str, document: Value) -> Secret {
        let data = BTreeMap::from([(key.to_owned(), ByteString(document.to_string().into_bytes()))]);
        Secret { data: Some(data), ..Secret::default() }
    }

    fn config(secrets: &[Secret], registry: &str) -> Value {
        config_for(secrets, &BTreeSet::from([registry]))
            .map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn only_the_one_registrys_entries_leave() {
        let secrets = [
            secret(
                ".dockerconfigjson",
                json!({"auths": {
                "registry.test:5000": {"auth": "YTpi", "email": "a@b"},
                "https://registry.test:5000/team": {"username": "t", "password": "p"},
                "other.test": {"auth": "canary"},
            }, "credHelpers": {"x": "canary"}}),
            ),
            secret(
                ".dockercfg",
                json!({"registry.test:5000": {"auth": "second"}, "https://index.docker.io/v1/": {"auth": "hub"}}),
            ),
            secret("unrelated", json!({"auths": {"registry.test:5000": {"auth": "canary"}}})),
        ];
        let found = config(&secrets, "registry.test:5000");
        assert_eq!(
            found,
            json!({"auths": {
                "registry.test:5000": {"auth": "YTpi"},
                "https://registry.test:5000/team": {"username": "t", "password": "p"},
            }})
        );
        assert!(!found.to_string().contains("canary"));
        assert_eq!(
            config(&secrets, "docker.io"),
            json!({"auths": {"https://index.docker.io/v1/": {"auth": "hub"}}})
        );
        let mirrored = config_for(&secrets, &BTreeSet::from(["registry.test:5000", "docker.io"])).unwrap();
        let mirrored: Value = serde_json::from_slice(&mirrored).unwrap();
        assert_eq!(mirrored["auths"].as_object().unwrap().len(), 3, "a registry and its mirror");
        assert_eq!(config(&secrets, "registry.test"), Value::Null, "another port is another registry");
    }

    #[test]
    fn what_is_no_docker_configuration_has_no_entries() {
        for odd in [json!([]), json!({"auths": []}), json!("x")] {
            assert_eq!(config(&[secret(".dockerconfigjson", odd)], "registry.test"), Value::Null);
        }
    }
}
