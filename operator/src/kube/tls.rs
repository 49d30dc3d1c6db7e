//! The operator's own certificate authority: one for all replicas, in the Secret `breakwater-ca`; everybody may read its public part in
//! the ConfigMap of the same name.
//!
//! Each replica signs its own serving certificate in memory: no files, no restarts, nothing to mount. The advisories Deployment has no
//! API credential, so its certificate is issued into a Secret.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::context::Context;

/// The Secret and the ConfigMap of the authority.
pub const AUTHORITY: &str = "breakwater-ca";
/// The Secret with the advisories Deployment's certificate.
pub const ADVISORIES: &str = "breakwater-advisories-tls";
/// In the Secret and the ConfigMap: certificates to trust, the one that signs first.
pub const CA_CERT: &str = "ca.crt";

const CA_KEY: &str = "ca.key";
/// From issue to expiry, and how long before expiry a successor is made. The authority's predecessor stays trusted for that long.
const AUTHORITY_LIFE: (TimeDelta, TimeDelta) = (TimeDelta::days(3650), TimeDelta::days(365));
const LEAF_LIFE: (TimeDelta, TimeDelta) = (TimeDelta::days(90), TimeDelta::days(30));
/// How often expiry and the stored authority are looked at. Reads only, unless something is due.
const CHECK: Duration = Duration::from_secs(600);
/// Replicas that start together meet at the first write; the loser reads the winner's.
const ATTEMPTS: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate authority could not be read or written: {0}")]
    Api(#[from] kube::Error),
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("a private key cannot be used: {0}")]
    Key(#[from] rustls::Error),
    #[error("Secret {name} is damaged ({what}); delete it and it is made anew")]
    Damaged { name: &'static str, what: &'static str },
    #[error("other replicas kept writing Secret {0}")]
    Contended(&'static str),
}

/// The authority as PEM: the certificate that signs first, then predecessors that are still trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    bundle: String,
    key: Key,
}

/// A private key as PEM. Never printed.
#[derive(Clone, PartialEq, Eq)]
struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// This replica's serving certificate and what it trusts; renewed in place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity {
    serving: Arc<Serving>,
    bundle: Arc<ArcSwapOption<String>>,
}

impl Identity {
    /// Server configuration for HTTPS, TLS 1.2 and 1.3, HTTP/2 and 1.1. Certificates renewed later are used by it as well.
    ///
    /// # Errors
    /// When the provider has no usable protocol version.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.serving.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The certificates to trust when speaking to Breakwater's own servers, as PEM.
    #[must_use]
    pub fn bundle(&self) -> String {
        self.bundle.load().as_deref().cloned().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Serving(ArcSwapOption<CertifiedKey>);

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// Makes or reads the authority and issues this replica's certificate for the `breakwater-intake` Service.
///
/// # Errors
/// See [`TlsError`]. Nothing can be served without, so the process ends.
pub async fn establish(context: &Context) -> Result<Identity, TlsError> {
    let identity = Identity { serving: Arc::default(), bundle: Arc::default() };
    renew(context, &identity, None).await?;
    Ok(identity)
}

/// Keeps all certificates fresh until the process is asked to stop.
///
/// # Errors
/// Never: what fails is logged and tried again, long before anything expires.
pub async fn keep(context: Context, identity: Identity) -> Result<(), TlsError> {
    let mut issued = context.clock.now();
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(CHECK) => {}
        }
        match renew(&context, &identity, Some(issued)).await {
            Ok(at) => issued = at,
            Err(error) => tracing::warn!(%error, "certificates were not renewed"),
        }
    }
}

/// Brings everything up to date and returns when the serving certificate was issued.
async fn renew(
    context: &Context,
    identity: &Identity,
    issued: Option<DateTime<Utc>>,
) -> Result<DateTime<Utc>, TlsError> {
    let now = context.clock.now();
    let authority = ensure_authority(context, now).await?;
    publish(context, &authority.bundle).await?;
    ensure_advisories(context, &authority, now).await?;
    let unchanged = identity.bundle.load().as_deref() == Some(&authority.bundle);
    if let Some(issued) = issued.filter(|issued| unchanged && *issued + (LEAF_LIFE.0 - LEAF_LIFE.1) > now) {
        return Ok(issued);
    }
    let (certificate, key) = issue(&authority, &service_names("breakwater-intake", &context.namespace), now)?;
    identity.serving.0.store(Some(Arc::new(certified(&certificate, &key)?)));
    identity.bundle.store(Some(Arc::new(authority.bundle)));
    Ok(now)
}

async fn ensure_authority(context: &Context, now: DateTime<Utc>) -> Result<Authority, TlsError> {
    let api = secrets(context);
    for _ in 0..ATTEMPTS {
        let stored = api.get_opt(AUTHORITY).await?;
        let current = stored.as_ref().map(read_authority).transpose()?;
        if let Some(current) = &current
            && expires(&current.bundle)? - AUTHORITY_LIFE.1 > now
        {
            return Ok(current.clone());
        }
        let next = succeed(current.as_ref(), now)?;
        let data = [(CA_CERT, &next.bundle), (CA_KEY, &next.key.0)];
        if write(&api, AUTHORITY, "Opaque", stored, &data).await? {
            tracing::info!("a certificate authority was made");
            return Ok(next);
        }
    }
    Err(TlsError::Contended(AUTHORITY))
}

fn read_authority(secret: &Secret) -> Result<Authority, TlsError> {
    let damaged = |what| TlsError::Damaged { name: AUTHORITY, what };
    let bundle = text(secret, CA_CERT).ok_or_else(|| damaged("no ca.crt"))?;
    let key = Key(text(secret, CA_KEY).ok_or_else(|| damaged("no ca.key"))?);
    Ok(Authority { bundle, key })
}

async fn ensure_advisories(
    context: &Context,
    authority: &Authority,
    now: DateTime<Utc>,
) -> Result<(), TlsError> {
    let api = secrets(context);
    let stored = api.get_opt(ADVISORIES).await?;
    let fresh = stored.as_ref().is_some_and(|secret| {
        let expiry = text(secret, "tls.crt").and_then(|certificate| expires(&certificate).ok());
        text(secret, CA_CERT).as_ref() == Some(&authority.bundle)
            && expiry.is_some_and(|expiry| expiry - LEAF_LIFE.1 > now)
    });
    if fresh {
        return Ok(());
    }
    let (certificate, key) =
        issue(authority, &service_names("breakwater-advisories", &context.namespace), now)?;
    let data = [("tls.crt", &certificate), ("tls.key", &key.0), (CA_CERT, &authority.bundle)];
    // Whoever wrote it meanwhile signed with the same authority.
    write(&api, ADVISORIES, "kubernetes.io/tls", stored, &data).await?;
    Ok(())
}

async fn publish(context: &Context, bundle: &str) -> Result<(), TlsError> {
    let api = Api::<ConfigMap>::namespaced(context.client.clone(), &context.namespace);
    let data = BTreeMap::from([(CA_CERT.to_owned(), bundle.to_owned())]);
    let stored = api.get_opt(AUTHORITY).await?;
    if stored.as_ref().and_then(|stored| stored.data.as_ref()) == Some(&data) {
        return Ok(());
    }
    let metadata = stored.as_ref().map_or_else(|| named(AUTHORITY), |stored| stored.metadata.clone());
    let next = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
    let written = match stored {
        None => api.create(&PostParams::default(), &next).await,
        Some(_) => api.replace(AUTHORITY, &PostParams::default(), &next).await,
    };
    settled(written.map(|_| ()))?;
    Ok(())
}

/// Writes a Secret over the version that was read. `false`: another replica was faster.
async fn write(
    api: &Api<Secret>,
    name: &str,
    type_: &str,
    stored: Option<Secret>,
    data: &[(&str, &String)],
) -> Result<bool, TlsError> {
    let data = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), ByteString((*value).clone().into_bytes())))
        .collect();
    let metadata = stored.as_ref().map_or_else(|| named(name), |stored| stored.metadata.clone());
    let next = Secret { metadata, type_: Some(type_.to_owned()), data: Some(data), ..Secret::default() };
    let written = match stored {
        None => api.create(&PostParams::default(), &next).await,
        Some(_) => api.replace(name, &PostParams::default(), &next).await,
    };
    settled(written.map(|_| ()))
}

/// Whether our write won; a conflict means that another replica's did.
fn settled(written: Result<(), kube::Error>) -> Result<bool, TlsError> {
    match written {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(answer)) if answer.is_conflict() || answer.is_already_exists() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn named(name: &str) -> ObjectMeta {
    let labels = BTreeMap::from([("app.kubernetes.io/name".to_owned(), "breakwater".to_owned())]);
    ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() }
}

fn secrets(context: &Context) -> Api<Secret> {
    Api::namespaced(context.client.clone(), &context.namespace)
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
}

/// The names by which pods call a Service.
fn service_names(service: &str, namespace: &str) -> Vec<String> {
    ["", ".svc", ".svc.cluster.local"]
        .iter()
        .map(
            |suffix| {
                if suffix.is_empty() { service.to_owned() } else { format!("{service}.{namespace}{suffix}") }
            },
        )
        .collect()
}

/// A new authority that keeps trusting the one before, which signed what is still in use.
fn succeed(before: Option<&Authority>, now: DateTime<Utc>) -> Result<Authority, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Verifiers find issuers by name: successors must not share it.
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Breakwater {}", now.format("%Y-%m-%d %H:%M:%S")));
    validity(&mut params, AUTHORITY_LIFE.0, now);
    let certificate = params.self_signed(&key)?.pem();
    let predecessor = before.and_then(|before| certificates(&before.bundle).next()).unwrap_or_default();
    Ok(Authority { bundle: format!("{certificate}{predecessor}"), key: Key(key.serialize_pem()) })
}

/// A serving certificate and its key, as PEM.
fn issue(authority: &Authority, names: &[String], now: DateTime<Utc>) -> Result<(String, Key), TlsError> {
    let issuer = Issuer::from_ca_cert_pem(&authority.bundle, KeyPair::from_pem(&authority.key.0)?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("breakwater", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, LEAF_LIFE.0, now);
    Ok((params.signed_by(&key, &issuer)?.pem(), Key(key.serialize_pem())))
}

/// Valid from the day before, for clocks that are behind, in whole days.
fn validity(params: &mut CertificateParams, life: TimeDelta, now: DateTime<Utc>) {
    let day = |moment: DateTime<Utc>| {
        let (month, day) =
            (u8::try_from(moment.month()).unwrap_or(1), u8::try_from(moment.day()).unwrap_or(1));
        rcgen::date_time_ymd(moment.year(), month, day)
    };
    params.not_before = day(now - TimeDelta::days(1));
    params.not_after = day(now + life + TimeDelta::days(1));
}

fn certified(certificate: &str, key: &Key) -> Result<CertifiedKey, TlsError> {
    let damaged = |_| TlsError::Damaged { name: AUTHORITY, what: "unreadable PEM" };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(damaged)?];
    let key = PrivateKeyDer::from_pem_slice(key.0.as_bytes()).map_err(damaged)?;
    Ok(CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?)
}

/// When the first certificate of `bundle` expires.
fn expires(bundle: &str) -> Result<DateTime<Utc>, TlsError> {
    let damaged = |what| TlsError::Damaged { name: AUTHORITY, what };
    let first = CertificateDer::from_pem_slice(bundle.as_bytes()).map_err(|_| damaged("unreadable PEM"))?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(&first).map_err(|_| damaged("unreadable certificate"))?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
        .ok_or_else(|| damaged("odd expiry"))
}

/// The PEM blocks of a bundle.
fn certificates(bundle: &str) -> impl Iterator<Item = &str> {
    const END: &str = "-----END CERTIFICATE-----\n";
    bundle.split_inclusive(END).filter(|block| block.ends_with(END))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: &str) -> DateTime<Utc> {
        format!("{day}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_successor_trusts_its_predecessor_but_not_the_one_before() {
        let first = succeed(None, at("2026-01-01")).unwrap();
        let second = succeed(Some(&first), at("2035-01-02")).unwrap();
        let third = succeed(Some(&second), at("2044-01-02")).unwrap();
        assert_eq!(certificates(&first.bundle).count(), 1);
        assert!(second.bundle.ends_with(&first.bundle) && certificates(&second.bundle).count() == 2);
        assert!(!third.bundle.contains(&first.bundle) && certificates(&third.bundle).count() == 2);
        assert!(expires(&first.bundle).unwrap() > at("2035-12-29"));
    }

    #[test]
    fn a_client_that_trusts_the_bundle_accepts_the_leaf_by_its_service_name() {
        let now = at("2026-01-01");
        let authority = succeed(Some(&succeed(None, now).unwrap()), now).unwrap();
        let (certificate, key) =
            issue(&authority, &service_names("breakwater-intake", "breakwater-system"), now).unwrap();
        certified(&certificate, &key).unwrap();

        let mut roots = rustls::RootCertStore::empty();
        for block in certificates(&authority.bundle) {
            roots.add(CertificateDer::from_pem_slice(block.as_bytes()).unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let leaf = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let verify = |name: &str, when: DateTime<Utc>| {
            let when = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(
                when.timestamp().unsigned_abs(),
            ));
            let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
            rustls::client::danger::ServerCertVerifier::verify_server_cert(
                &*verifier,
                &leaf,
                &[],
                &name,
                &[],
                when,
            )
        };
        assert!(verify("breakwater-intake.breakwater-system.svc", now).is_ok());
        assert!(verify("breakwater-intake.breakwater-system.svc", at("2026-04-05")).is_err());
        assert!(verify("breakwater-advisories.breakwater-system.svc", now).is_err());
    }

    #[test]
    fn keys_are_never_printed() {
        let authority = succeed(None, at("2026-01-01")).unwrap();
        assert!(!format!("{authority:?}").contains("PRIVATE KEY"));
    }
}
