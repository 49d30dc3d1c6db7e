//! Two registries (Debian's docker-registry): an open one that speaks plain HTTP, and one that wants a password and
//! speaks TLS by the cluster's own authority.

use std::fs;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::certificate::Authority;
use crate::command::{command, output_of};
use crate::error::AtPath;
use crate::layout::write;
use crate::node::Node;
use crate::{ClusterIndex, Layout, Result, clock};

/// One of the two registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// Plain HTTP, no credentials.
    Open,
    /// TLS and HTTP basic authentication.
    Authenticated,
}

impl Registry {
    /// User of the authenticated registry.
    pub const USER: &'static str = "pilot";
    /// Password of the authenticated registry; secret from nobody, and easy to find where it must not appear.
    pub const PASSWORD: &'static str = "breakwater-canary-4f1d";

    /// `host:port` in image references, as pods and kubelet resolve it.
    pub fn host(self) -> &'static str {
        match self {
            Self::Open => "registry.test:5000",
            Self::Authenticated => "registry-auth.test:5001",
        }
    }

    /// `address:port` as the host reaches it.
    pub fn address(self, index: ClusterIndex) -> String {
        let port = self.host().rsplit_once(':').map_or("", |(_, port)| port);
        format!("{}:{port}", index.node())
    }

    /// The base URL as the host reaches it.
    pub fn url(self, index: ClusterIndex) -> String {
        match self {
            Self::Open => format!("http://{}", self.address(index)),
            Self::Authenticated => format!("https://{}", self.address(index)),
        }
    }

    /// Also the name of its log, which holds one line per request.
    pub(crate) fn component(self) -> &'static str {
        match self {
            Self::Open => "registry",
            Self::Authenticated => "registry-auth",
        }
    }

    /// The name without the port.
    pub(crate) fn domain(self) -> &'static str {
        self.host().split(':').next().unwrap_or_default()
    }

    /// Starts it.
    pub(crate) fn start(self, layout: &Layout, node: &Node<'_>, authority: &Authority<'_>) -> Result<()> {
        let name = self.component();
        let address = self.address(layout.index);
        let mut http = json!({"addr": address});
        let mut auth = json!({});
        if self == Self::Authenticated {
            authority.server(name, &[self.domain(), &layout.index.node()])?;
            let (certificate, key) = (layout.pki("registry-auth.crt"), layout.pki("registry-auth.key"));
            http = json!({"addr": address, "tls": {"certificate": certificate, "key": key}});
            let users = output_of(&mut command(["htpasswd", "-niB", Self::USER]), Self::PASSWORD.as_bytes())?;
            write(&layout.pki("htpasswd"), users)?;
            auth = json!({"htpasswd": {"realm": "breakwater", "path": layout.pki("htpasswd")}});
            write(&auth_file(layout), self.credentials(layout.index))?;
            // skopeo wants a directory that holds nothing else.
            let ca = layout.pki("ca.crt");
            write(&layout.state.join("registry-ca/ca.crt"), fs::read(&ca).at(&ca)?)?;
        }
        let config = json!({
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": false}},
            "storage": {
                "filesystem": {"rootdirectory": layout.state.join(name)},
                "delete": {"enabled": true},
            },
            "http": http,
            "auth": auth,
        });
        let path = layout.state.join(format!("{name}.json"));
        write(&path, config.to_string())?;
        node.start(name, ["docker-registry".as_ref(), "serve".as_ref(), path.as_os_str()])?;
        Ok(())
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait(self, index: ClusterIndex, node: &Node<'_>) -> Result<()> {
        let name = self.component();
        let address = self.address(index);
        clock::wait(&format!("{name} answers"), Duration::from_secs(20), || {
            std::net::TcpStream::connect(&address).is_ok() || node.running(name).is_err()
        })?;
        node.running(name)
    }

    /// Copies an image, unchanged to the byte, from an OCI layout to `name:tag`.
    pub(crate) fn copy(self, layout: &Layout, image: &std::path::Path, name: &str) -> Command {
        let mut copy = command(["skopeo", "copy", "--quiet", "--preserve-digests"]);
        match self {
            Self::Open => copy.arg("--dest-tls-verify=false"),
            Self::Authenticated => {
                copy.arg("--dest-cert-dir").arg(layout.state.join("registry-ca"));
                copy.arg("--dest-authfile").arg(auth_file(layout))
            }
        };
        copy.arg(format!("oci:{}:image", image.display()));
        copy.arg(format!("docker://{}/{name}", self.address(layout.index)));
        copy
    }

    /// Credentials in the form of `~/.docker/config.json`, for both names of the registry.
    fn credentials(self, index: ClusterIndex) -> String {
        let auth = json!({"auth": STANDARD.encode(format!("{}:{}", Self::USER, Self::PASSWORD))});
        json!({"auths": {self.host(): auth, self.address(index): auth}}).to_string()
    }
}

/// The authenticated registry's credentials, for skopeo, buildah and `kubectl create secret docker-registry`.
pub(crate) fn auth_file(layout: &Layout) -> std::path::PathBuf {
    layout.pki("registry-auth.json")
}
