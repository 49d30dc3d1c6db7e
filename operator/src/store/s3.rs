//! A bucket of an S3-compatible server, and the operator's credentials there.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, CredentialProvider, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AwsCredential, S3ConditionalPut},
};

use super::StoreError;
use crate::config;

/// One request, its body included.
const REQUEST: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);
/// Requests that failed in the server or on the way are sent again so often, and for so long: intake answers within a minute.
const RETRIES: usize = 6;
const RETRY_FOR: Duration = Duration::from_secs(20);

/// The keys of the Secret, which are files of its directory.
const KEY_ID: &str = "accessKeyId";
const SECRET_KEY: &str = "secretAccessKey";
const SESSION_TOKEN: &str = "sessionToken";
const AUTHORITY: &str = "ca.crt";

pub(super) fn open(config: &config::S3) -> Result<AmazonS3, StoreError> {
    let directory = PathBuf::from(&config.credentials);
    let mut options = ClientOptions::new()
        .with_allow_http(config.allow_http)
        .with_timeout(REQUEST)
        .with_connect_timeout(CONNECT);
    let authority = directory.join(AUTHORITY);
    match std::fs::read(&authority) {
        Ok(pem) => {
            for certificate in Certificate::from_pem_bundle(&pem)? {
                options = options.with_root_certificate(certificate);
            }
        }
        // Then the certificates of the image are the ones that are trusted.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(cause) => return Err(StoreError::Credentials { path: authority, cause }),
    }
    let bucket = AmazonS3Builder::new()
        .with_endpoint(config.endpoint.trim_end_matches('/'))
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_allow_http(config.allow_http)
        .with_client_options(options)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES,
            retry_timeout: RETRY_FOR,
        })
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_credentials(Arc::new(MountedSecret { directory }))
        .build()?;
    Ok(bucket)
}

/// A Secret that is mounted as a volume. Read for every request: a rotation takes effect with the next one, and no key lies in the
/// environment.
#[derive(Debug)]
struct MountedSecret {
    directory: PathBuf,
}

impl MountedSecret {
    async fn read(&self, key: &str) -> Result<String, StoreError> {
        let path = self.directory.join(key);
        let read = tokio::fs::read_to_string(&path).await;
        read.map(|text| text.trim().to_owned()).map_err(|cause| StoreError::Credentials { path, cause })
    }
}

#[async_trait]
impl CredentialProvider for MountedSecret {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let refused =
            |error: StoreError| object_store::Error::Generic { store: "s3", source: Box::new(error) };
        let token = match self.read(SESSION_TOKEN).await {
            Ok(token) => Some(token),
            Err(StoreError::Credentials { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
                None
            }
            Err(error) => return Err(refused(error)),
        };
        Ok(Arc::new(AwsCredential {
            key_id: self.read(KEY_ID).await.map_err(refused)?,
            secret_key: self.read(SECRET_KEY).await.map_err(refused)?,
            token,
        }))
    }
}
