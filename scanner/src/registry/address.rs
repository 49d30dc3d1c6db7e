//! Which addresses may be connected to. A registry names hosts (redirects, token endpoints), and a tenant names registries: neither may
//! point the scanner at the cloud's metadata service or at the cluster's inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::RegistryError;

/// What kind of address `address` is, if it is refused. Private, shared and loopback ones are accepted with `allow_private`;
/// link-local ones (metadata services), multicast and the unspecified ones never are.
pub(super) fn refusal(address: IpAddr, allow_private: bool) -> Option<&'static str> {
    let (kind, is_private) = match address.to_canonical() {
        IpAddr::V4(v4) => kind_v4(v4)?,
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => kind_v4(v4)?,
            None => kind_v6(v6)?,
        },
    };
    (!is_private || !allow_private).then_some(kind)
}

/// Special-purpose addresses (RFC 6890 and its registry); `true` for those that an installation may use for itself.
fn kind_v4(address: Ipv4Addr) -> Option<(&'static str, bool)> {
    match address.octets() {
        [127, ..] => Some(("loopback", true)),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(("private", true)),
        [100, 64..=127, ..] => Some(("shared (carrier-grade NAT)", true)),
        [198, 18..=19, ..] => Some(("benchmarking", true)),
        [169, 254, ..] => Some(("link-local", false)),
        [0, ..] => Some(("unspecified", false)),
        [192, 0, 0, _] => Some(("protocol", false)),
        [224..=255, ..] => Some(("multicast or reserved", false)),
        _ => None,
    }
}

fn kind_v6(address: Ipv6Addr) -> Option<(&'static str, bool)> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(("loopback", true)),
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(("unspecified", false)),
        // The metadata address of a large cloud lies among the unique local ones.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Some(("metadata service", false)),
        [0xfc00..=0xfdff, ..] => Some(("unique local", true)),
        [0xfe80..=0xfebf, ..] => Some(("link-local", false)),
        [0xfec0..=0xfeff, ..] => Some(("site-local", true)),
        [0xff00..=0xffff, ..] => Some(("multicast", false)),
        _ => None,
    }
}

/// The IPv4 address inside a NAT64 (RFC 6052), 6to4 (RFC 3056) or IPv4-compatible address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        _ => None,
    }
}

/// Refuses a URL whose host is an address that is not allowed: the resolver never sees those.
pub(super) fn check_literal(url: &Url, allow_private: bool) -> Result<(), RegistryError> {
    let address = match url.host() {
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    match refusal(address, allow_private) {
        Some(kind) => Err(RegistryError::AddressRefused { host: address.to_string(), address, kind }),
        None => Ok(()),
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("{name} has no address")]
    Unknown { name: String },
    #[error("{name} is at {address}, a {kind} address")]
    Refused { name: String, address: IpAddr, kind: &'static str },
}

/// Resolves names by the system and hands on only allowed addresses: what was checked is what is connected to, so a second answer of
/// the name server changes nothing.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    pub(super) allow_private: bool,
    /// The proxy's host: the operator's configuration names it, wherever it is.
    pub(super) proxy: Option<String>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let allow_private = self.allow_private;
        let is_proxy = self.proxy.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await.map(Iterator::collect).unwrap_or_default();
            let refused = found.iter().find_map(|address| {
                refusal(address.ip(), allow_private).filter(|_| !is_proxy).map(|kind| (address.ip(), kind))
            });
            if let Some((address, kind)) = refused {
                return Err(ResolveError::Refused { name, address, kind }.into());
            }
            if found.is_empty() {
                return Err(ResolveError::Unknown { name }.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_addresses_need_permission_and_metadata_has_none() {
        for (address, without, with) in [
            ("8.8.8.8", false, false),
            ("2606:4700::1", false, false),
            ("127.0.0.1", true, false),
            ("10.1.2.3", true, false),
            ("172.31.0.1", true, false),
            ("172.32.0.1", false, false),
            ("192.168.0.1", true, false),
            ("100.64.0.1", true, false),
            ("::1", true, false),
            ("fd12::1", true, false),
            ("::ffff:10.0.0.1", true, false),
            ("64:ff9b::a00:1", true, false),
            ("169.254.169.254", true, true),
            ("::ffff:169.254.169.254", true, true),
            ("2002:a9fe:a9fe::1", true, true),
            ("fe80::1", true, true),
            ("fd00:ec2::254", true, true),
            ("0.0.0.0", true, true),
            ("224.0.0.1", true, true),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(refusal(address, false).is_some(), without, "{address}");
            assert_eq!(refusal(address, true).is_some(), with, "{address} with permission");
        }
    }

    #[test]
    fn every_spelling_of_an_address_is_an_address() {
        for url in [
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://[::1]/",
            "http://017700000001/",
        ] {
            assert!(check_literal(&url.parse().unwrap(), false).is_err(), "{url}");
        }
        assert!(check_literal(&"http://registry.test/".parse().unwrap(), false).is_ok());
    }
}
