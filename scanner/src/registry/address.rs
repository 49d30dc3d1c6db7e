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
        [198, 18..=19, ..] => Some(("benchmarking", true)),
        [169, 254, ..] => Some(("link-local", false)),
        // Metadata services that large clouds keep outside the link-local range.
        [100, 100, 100, 200] | [168, 63, 129, 16] => Some(("metadata service", false)),
        [100, 64..=127, ..] => Some(("shared (carrier-grade NAT)", true)),
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
        // Metadata services that clouds keep among the unique local ones.
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042] => {
            Some(("metadata service", false))
        }
        // NAT64 of a network's own (RFC 8215): whatever is behind it, it is inside.
        [0x64, 0xff9b, 1, ..] => Some(("local NAT64", true)),
        // Teredo (RFC 4380): an IPv4 host behind its NAT.
        [0x2001, 0, ..] => Some(("tunnelled", false)),
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
        // The prefix lengths that RFC 8215's block leaves: /96, and /48 where the address begins right behind the prefix.
        [0x64, 0xff9b, 1, 0, 0, 0, high, low] if kind_v4(v4(high, low)).is_some() => Some(v4(high, low)),
        [0x64, 0xff9b, 1, high, low, rest, ..]
            if high != 0
                && kind_v4(v4(high, (low << 8) | (rest >> 8))).is_some_and(|(_, is_private)| !is_private) =>
        {
            Some(v4(high, (low << 8) | (rest >> 8)))
        }
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

/// The addresses of `name`, by the system's resolver.
async fn lookup(name: &str) -> Vec<SocketAddr> {
    tokio::net::lookup_host((name, 0)).await.map(Iterator::collect).unwrap_or_default()
}

/// All of `found` or none: a name that is outside and inside at once is a trick.
fn admit(name: &str, found: Vec<SocketAddr>, allow_private: bool) -> Result<Vec<SocketAddr>, ResolveError> {
    let refused = found.iter().find_map(|found| Some((found.ip(), refusal(found.ip(), allow_private)?)));
    match refused {
        Some((address, kind)) => Err(ResolveError::Refused { name: name.to_owned(), address, kind }),
        None if found.is_empty() => Err(ResolveError::Unknown { name: name.to_owned() }),
        None => Ok(found),
    }
}

/// Refuses a name that a proxy would connect to, as far as it has addresses on this side of the proxy. What only the proxy can resolve
/// is the proxy's to judge.
pub(super) async fn check_proxied(url: &Url, allow_private: bool) -> Result<(), RegistryError> {
    let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
    match admit(name, lookup(name).await, allow_private) {
        Err(ResolveError::Refused { name, address, kind }) => {
            Err(RegistryError::AddressRefused { host: name, address, kind })
        }
        Err(ResolveError::Unknown { .. }) | Ok(_) => Ok(()),
    }
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
            let found = lookup(&name).await;
            let admitted =
                if is_proxy && !found.is_empty() { found } else { admit(&name, found, allow_private)? };
            Ok(Box::new(admitted.into_iter()) as Addrs)
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
            ("fd20:ce::254", true, true),
            ("100.100.100.200", true, true),
            ("168.63.129.16", true, true),
            ("64:ff9b::a9fe:a9fe", true, true),
            ("64:ff9b::808:808", false, false),
            ("64:ff9b:1::808:808", true, false),
            ("64:ff9b:1::a9fe:a9fe", true, true),
            ("64:ff9b:1:a9fe:a9:fe00::", true, true),
            ("::169.254.169.254", true, true),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", true, true),
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
            "http://127.0.0.1./",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://1%327.0.0.1/",
            "http://１２７.0.0.1/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://0/",
        ] {
            assert!(check_literal(&url.parse().unwrap(), false).is_err(), "{url}");
        }
        assert!(check_literal(&"http://registry.test/".parse().unwrap(), false).is_ok());
    }

    #[test]
    fn one_inside_address_refuses_the_whole_name() {
        let of = |addresses: &[&str]| {
            let found =
                addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
            admit("name.test", found, false)
        };
        assert_eq!(of(&["8.8.8.8", "2606:4700::1"]).unwrap().len(), 2);
        for addresses in [&["8.8.8.8", "127.0.0.1"][..], &["::ffff:10.0.0.1"], &["8.8.8.8", "fe80::1"]] {
            assert!(matches!(of(addresses), Err(ResolveError::Refused { .. })), "{addresses:?}");
        }
        assert!(matches!(of(&[]), Err(ResolveError::Unknown { .. })));
    }
}
