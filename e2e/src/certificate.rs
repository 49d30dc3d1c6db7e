//! The cluster's own certificate authority and the certificates it signs; all of them go with the cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::error::AtPath;
use crate::layout::write;
use crate::{Error, Layout, Result};

/// Signs certificates for servers and users. Keys are P-256.
#[derive(Debug)]
pub(crate) struct Authority<'a> {
    layout: &'a Layout,
    issuer: Issuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    /// A new authority; its certificate is `pki/ca.crt`.
    pub(crate) fn create(layout: &'a Layout) -> Result<Self> {
        let made = || {
            let mut params = params("breakwater-e2e", None, &[])?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate()?;
            let certificate = params.self_signed(&key)?.pem();
            Ok((certificate, key.serialize_pem(), Issuer::new(params, key)))
        };
        let (certificate, key, issuer) =
            made().map_err(|source| Error::Certificate { name: "ca".to_owned(), source })?;
        let authority = Self { layout, issuer };
        authority.keep("ca", &certificate, &key)?;
        Ok(authority)
    }

    /// `pki/<name>.crt` and `.key` for a server known by these host names and addresses.
    pub(crate) fn server(&self, name: &str, hosts: &[&str]) -> Result<()> {
        self.leaf(name, name, None, hosts, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// `pki/<name>.crt` and `.key` for a user of the API: common name is the user, organisation the group.
    pub(crate) fn user(&self, name: &str, user: &str, group: Option<&str>) -> Result<()> {
        self.leaf(name, user, group, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// `pki/sa.key` and `pki/sa.pub`: what signs service account tokens. A test may sign its own with it.
    pub(crate) fn token_signer(&self) -> Result<()> {
        let key = KeyPair::generate()
            .map_err(|source| Error::Certificate { name: "service accounts".to_owned(), source })?;
        write(&self.layout.pki("sa.pub"), key.public_key_pem())?;
        self.secret("sa.key", &key.serialize_pem())
    }

    fn leaf(
        &self,
        name: &str,
        subject: &str,
        group: Option<&str>,
        hosts: &[&str],
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<()> {
        let made = || {
            let mut params = params(subject, group, hosts)?;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate()?;
            Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
        };
        let (certificate, key) =
            made().map_err(|source| Error::Certificate { name: name.to_owned(), source })?;
        self.keep(name, &certificate, &key)
    }

    fn keep(&self, name: &str, certificate: &str, key: &str) -> Result<()> {
        write(&self.layout.pki(&format!("{name}.crt")), certificate)?;
        self.secret(&format!("{name}.key"), key)
    }

    fn secret(&self, file: &str, content: &str) -> Result<()> {
        let path = self.layout.pki(file);
        write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).at(&path)
    }
}

fn params(
    name: &str,
    group: Option<&str>,
    hosts: &[&str],
) -> std::result::Result<CertificateParams, rcgen::Error> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    // The authority dies with its cluster, and no clock is asked.
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    Ok(params)
}
