//! What is checked before anything is started: that the API server answers, knows the three kinds, and lets us read them.

use breakwater_crds::{ImagePolicy, RuntimeBaseline, ScanJob};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;

/// Why the operator cannot start, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    #[error(
        "the API server does not know {kind}.breakwater.dev/v1alpha1: install the CustomResourceDefinitions first (kubectl apply --server-side -k config/crd)"
    )]
    NoDefinition { kind: String },
    #[error("this ServiceAccount may not list {kind}: install the roles (kubectl apply -k config/rbac)")]
    Forbidden { kind: String },
    #[error("{kind} could not be listed: {source}")]
    Unreachable { kind: String, source: kube::Error },
}

/// Lists one object of each kind.
///
/// # Errors
/// [`Closed`], with an instruction.
pub async fn check(client: &Client) -> Result<(), Closed> {
    knows::<ImagePolicy>(client).await?;
    knows::<ScanJob>(client).await?;
    knows::<RuntimeBaseline>(client).await
}

async fn knows<K>(client: &Client) -> Result<(), Closed>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let kind = K::plural(&()).into_owned();
    match Api::<K>::all(client.clone()).list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Err(Closed::NoDefinition { kind }),
        Err(kube::Error::Api(answer)) if answer.is_forbidden() => Err(Closed::Forbidden { kind }),
        Err(source) => Err(Closed::Unreachable { kind, source }),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    fn answering(status: StatusCode) -> Client {
        let service = tower::service_fn(move |_: Request<Body>| async move {
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status.as_u16(),
                "reason": status.canonical_reason().unwrap_or_default().replace(' ', ""), "message": ""});
            let body = serde_json::to_vec(&body).map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(Response::builder().status(status).body(Body::from(body)).unwrap())
        });
        Client::new(service, "breakwater-system")
    }

    #[tokio::test]
    async fn missing_definitions_and_roles_are_told_apart() {
        let missing = check(&answering(StatusCode::NOT_FOUND)).await.unwrap_err().to_string();
        assert!(
            missing.contains("imagepolicies.breakwater.dev") && missing.contains("config/crd"),
            "{missing}"
        );
        let forbidden = check(&answering(StatusCode::FORBIDDEN)).await.unwrap_err().to_string();
        assert!(forbidden.contains("config/rbac"), "{forbidden}");
    }
}
