//! Intake believes a token, and only for what its pod was asked.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use breakwater_core::Digest;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod, Service, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::support::{
    client,
    hostile::{HOST, Hostile},
    namespace::with_namespace,
    objects::{condition, now, scan_job},
    product::{NAMESPACE, image},
    variable,
    wait::eventually,
};

/// Speaks to intake from the host, as a pod would.
struct Intake {
    http: reqwest::Client,
    base: String,
}

impl Intake {
    async fn new(client: &Client) -> Self {
        let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
        let configs: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
        let address = services
            .get("breakwater-intake")
            .await
            .expect("it is installed")
            .spec
            .and_then(|spec| spec.cluster_ip);
        let ca =
            configs.get("breakwater-ca").await.expect("published").data.unwrap_or_default().remove("ca.crt");
        let name = format!("breakwater-intake.{NAMESPACE}.svc");
        let address = format!("{}:8443", address.expect("it has an address")).parse().expect("an address");
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(ca.expect("a CA").as_bytes()).expect("PEM")])
            .resolve(&name, address)
            .build()
            .expect("a client");
        Self { http, base: format!("https://{name}:8443") }
    }

    async fn post(&self, path: &str, token: &str, body: Vec<u8>, zstd: bool) -> (StatusCode, String) {
        let mut request =
            self.http.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        if zstd {
            request = request.header("content-encoding", "zstd");
        }
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = request.body(body).send().await.expect("intake answers");
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default();
        (status, body["reason"].as_str().unwrap_or_default().to_owned())
    }

    async fn outcome(&self, token: &str) -> (StatusCode, String) {
        let body = json!({"image": "registry.test:5000/any:1"}).to_string().into_bytes();
        self.post("/v1/outcome", token, body, false).await
    }
}

/// A token of a ServiceAccount of ours, bound to a pod, as the kubelet would ask for it.
async fn token(client: &Client, account: &str, audience: &str, pod: Option<&Pod>) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let bound = pod.map(
        |pod| json!({"kind": "Pod", "apiVersion": "v1", "name": pod.metadata.name, "uid": pod.metadata.uid}),
    );
    let spec: TokenRequestSpec = serde_json::from_value(
        json!({"audiences": [audience], "expirationSeconds": 600, "boundObjectRef": bound}),
    )
    .expect("valid");
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .expect("a token is made");
    answer.status.expect("it has one").token
}

/// A token signed with the cluster's own key that has been good until an hour ago.
fn expired(pod: &Pod, client_uid: &str) -> String {
    let key = std::fs::read_to_string(variable("SERVICE_ACCOUNT_KEY")).expect("the cluster's key");
    let der = key.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    let der = base64::engine::general_purpose::STANDARD.decode(der).expect("PEM");
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, &der, &random).expect("a P-256 key");
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let header = json!({"alg": "ES256", "typ": "JWT"});
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "aud": ["breakwater-intake"],
        "iat": now - 7_200, "nbf": now - 7_200, "exp": now - 3_600,
        "sub": format!("system:serviceaccount:{NAMESPACE}:breakwater-scan"),
        "kubernetes.io": {
            "namespace": NAMESPACE,
            "serviceaccount": {"name": "breakwater-scan", "uid": client_uid},
            "pod": {"name": pod.metadata.name, "uid": pod.metadata.uid},
        },
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = pair.sign(&random, signed.as_bytes()).expect("signed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

/// The scan pod of a ScanJob.
async fn scan_pod(client: &Client, uid: &str) -> Pod {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let selector = ListParams::default().labels(&format!("breakwater.dev/scanjob-uid={uid}"));
    eventually("its pod is there", Duration::from_secs(90), || async {
        let list = pods.list(&selector).await.map_err(|error| error.to_string())?;
        list.items.into_iter().next().ok_or_else(|| "none".to_owned())
    })
    .await
}

#[tokio::test]
async fn only_the_scan_pod_of_an_open_question_is_heard_and_only_about_it() {
    let client = client().await;
    let _hostile = Hostile::start_at(5601).await;
    let tiny = image("tiny-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let intake = Intake::new(&client).await;
        assert_eq!(intake.outcome("").await, (StatusCode::UNAUTHORIZED, "TokenMissing".into()));
        assert_eq!(intake.outcome("nonsense").await, (StatusCode::UNAUTHORIZED, "TokenInvalid".into()));

        let done = scan_job(&client, &namespace, "done", json!({"image": tiny})).await;
        let finished = scan_pod(&client, &done.metadata.uid.clone().expect("one")).await;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
        let account = accounts.get("breakwater-scan").await.expect("installed").metadata.uid.expect("one");
        assert_eq!(
            intake.outcome(&expired(&finished, &account)).await.0,
            StatusCode::UNAUTHORIZED,
            "expired"
        );
        let foreign = token(&client, "default", "breakwater-intake", None).await;
        assert_eq!(
            intake.outcome(&foreign).await,
            (StatusCode::FORBIDDEN, "NotAScanPod".into()),
            "another account"
        );
        let elsewhere = token(&client, "breakwater-scan", "somebody-else", Some(&finished)).await;
        assert_eq!(intake.outcome(&elsewhere).await.0, StatusCode::UNAUTHORIZED, "another audience");
        eventually("the first scan is complete", Duration::from_secs(90), || async {
            let job: breakwater_crds::scanjob::ScanJob = now(&client, &namespace, "done").await;
            condition(&job, "Complete").filter(|(status, _)| status == "True").ok_or(job.status)
        })
        .await;
        let used = token(&client, "breakwater-scan", "breakwater-intake", Some(&finished)).await;
        assert_eq!(intake.outcome(&used).await.0, StatusCode::FORBIDDEN, "its question is answered");

        // A question that stays open for a while: its registry is slow.
        let host = HOST.replace("5600", "5601");
        let open =
            scan_job(&client, &namespace, "open", json!({"image": format!("{host}/slow:1"), "attempts": 1}))
                .await;
        let pod = scan_pod(&client, &open.metadata.uid.expect("one")).await;
        let token = token(&client, "breakwater-scan", "breakwater-intake", Some(&pod)).await;
        let asked = format!("{host}/slow:1");
        let compress = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).expect("memory");
        let cases: Vec<(&str, &str, Vec<u8>, bool, StatusCode)> = vec![
            (
                "another image",
                "/v1/outcome",
                json!({"image": tiny}).to_string().into(),
                false,
                StatusCode::FORBIDDEN,
            ),
            ("no JSON", "/v1/offer", b"{".to_vec(), false, StatusCode::BAD_REQUEST),
            ("no zstd", "/v1/inventory", b"garbage".to_vec(), true, StatusCode::BAD_REQUEST),
            ("no inventory", "/v1/inventory", compress(b"{\"image\": 1}"), true, StatusCode::BAD_REQUEST),
            ("a bomb", "/v1/inventory", compress(&vec![b' '; 64 << 20]), true, StatusCode::PAYLOAD_TOO_LARGE),
            ("too many bytes", "/v1/offer", vec![b' '; 40 << 20], false, StatusCode::PAYLOAD_TOO_LARGE),
            (
                "a foreign digest",
                "/v1/inventory",
                compress(inventory(&asked).to_string().as_bytes()),
                true,
                StatusCode::FORBIDDEN,
            ),
        ];
        for (what, path, body, zstd, expected) in cases {
            let (status, reason) = intake.post(path, &token, body, zstd).await;
            assert_eq!(status, expected, "{what}: {reason}");
        }
    })
    .await;
}

/// An inventory of a digest that nobody offered.
fn inventory(reference: &str) -> Value {
    let digest = Digest::of(b"somebody else's image").to_string();
    json!({
        "image": reference,
        "inventory": {
            "schemaVersion": 1,
            "image": {"reference": reference, "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
            "scanner": {"name": "breakwater-scanner", "version": "0.1.0"},
            "layers": [], "packages": [], "software": [], "secrets": [], "config": {}, "unanalysed": [],
        },
    })
}
