//! Words the tests are told in.

pub mod audit;
pub mod handmade;
pub mod hostile;
pub mod namespace;
pub mod objects;
pub mod product;
pub mod stock;
pub mod wait;

use kube::{Client, Config, config::KubeConfigOptions};

/// The cluster's administrator, by `KUBECONFIG`.
pub async fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config::from_kubeconfig(&KubeConfigOptions::default())
        .await
        .expect("no cluster: run `make cluster-up deploy` and `eval \"$(make -s cluster-env)\"` first");
    Client::try_from(config).expect("a client from a good kubeconfig")
}

/// A variable of `cluster env`.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: eval \"$(make -s cluster-env)\" first"))
}
