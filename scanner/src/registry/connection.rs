use breakwater_core::{
    ImageReference,
    scan::{Mirror, RegistryAccess},
};
use reqwest::{NoProxy, Proxy, redirect::Policy};
use url::Url;

use super::{Credentials, Pace, RegistryError, Repository, Trust, address::GuardedResolver};
use crate::limits::CONNECT_TIMEOUT;

/// How registries may be spoken to.
#[derive(Debug, Clone)]
pub struct Options {
    pub access: RegistryAccess,
    /// Hosts that serve the same content, asked first, in this order.
    pub mirrors: Vec<Mirror>,
    pub credentials: Credentials,
    pub trust: Trust,
    pub pace: Pace,
}

/// One HTTP client under one set of rules, shared by the repositories opened with it.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) http: reqwest::Client,
    pub(super) access: RegistryAccess,
    pub(super) pace: Pace,
    pub(super) credentials: Credentials,
    /// By host, each under rules of its own.
    pub(super) mirrors: Vec<(String, Connection)>,
}

impl Connection {
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`] if the proxy's address or the certificates cannot be used.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let Options { access, mirrors, credentials, trust, pace } = options;
        let mut connection = Self::to_one(access, credentials, &trust, pace)?;
        connection.mirrors = mirrors
            .into_iter()
            .map(|Mirror { host, access }| {
                Ok((host, Self::to_one(access, connection.credentials.clone(), &trust, pace)?))
            })
            .collect::<Result<_, RegistryError>>()?;
        Ok(connection)
    }

    fn to_one(
        access: RegistryAccess,
        credentials: Credentials,
        trust: &Trust,
        pace: Pace,
    ) -> Result<Self, RegistryError> {
        let invalid = |why: String| RegistryError::CredentialsInvalid(why);
        let proxy = access.proxy.as_deref().map(|proxy| proxy.parse::<Url>()).transpose();
        let proxy = proxy.map_err(|error| invalid(format!("the proxy's address: {error}")))?;
        let resolver = GuardedResolver {
            allow_private: access.allow_private_addresses,
            proxy: proxy.as_ref().and_then(|proxy| proxy.host_str().map(str::to_owned)),
        };
        // Redirects are followed by our own code, which checks each hop. The environment's proxies are nobody's decision here.
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(trust.client_config()?)
            .dns_resolver(resolver)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .http1_only()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .user_agent(concat!("breakwater/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = proxy {
            let proxy = Proxy::all(proxy).map_err(|error| invalid(error.to_string()))?;
            let direct = access.no_proxy.as_deref().and_then(NoProxy::from_string);
            builder = builder.proxy(proxy.no_proxy(direct));
        }
        let http = builder.build().map_err(|error| invalid(error.to_string()))?;
        Ok(Self { http, access, pace, credentials, mirrors: Vec::new() })
    }

    /// The repository of `image`.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`] if the credentials for it cannot be used, [`RegistryError::HostUnknown`] if the
    /// registry's name cannot stand in a URL.
    pub fn repository(&self, image: &ImageReference) -> Result<Repository, RegistryError> {
        Repository::new(self, image)
    }
}
