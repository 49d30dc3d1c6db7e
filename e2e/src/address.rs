//! Names and addresses of one cluster, by its index. None of them is reachable from outside this machine.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// Prefix length of the veth pair's network.
pub const LINK_PREFIX: u8 = 30;
/// Name of the only real node.
pub const NODE_NAME: &str = "node1";

/// Port of the API server on [`ClusterIndex::node`].
pub const API_PORT: u16 = 6443;
/// Port of the advisory mirror on [`ClusterIndex::node`].
pub const MIRROR_PORT: u16 = 8089;
/// The advisory mirror's host name inside the cluster.
pub const MIRROR_HOST: &str = "mirror.test";
/// Inside the cluster this name and every name below it resolve to [`ClusterIndex::host`].
pub const HOSTILE_HOST: &str = "hostile.test";

/// Which of the machine's clusters: 0 to 9. Clusters with different indexes share no name, address or control group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ClusterIndex(u8);

impl ClusterIndex {
    /// The number of clusters that one machine can run side by side.
    pub const COUNT: u8 = 10;

    /// Every index, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The network namespace that is the node.
    pub fn namespace(self) -> String {
        format!("bw{self}")
    }

    /// The host's end of the veth pair: at most 15 bytes, as the kernel demands.
    pub fn host_link(self) -> String {
        format!("bw-host{}", self.suffix())
    }

    /// The control group below the root of every hierarchy; also the kubelet's `cgroupRoot`.
    pub fn control_group(self) -> String {
        format!("breakwater-e2e{}", self.suffix())
    }

    /// The host as the node and its pods see it; tests serve hostile content here.
    pub fn host(self) -> String {
        format!("192.168.{}.1", self.of(234))
    }

    /// The node as the host sees it: API server, registries and mirror listen here.
    pub fn node(self) -> String {
        format!("192.168.{}.2", self.of(234))
    }

    /// Addresses of pods.
    pub fn pods(self) -> String {
        format!("10.{}.0.0/16", self.below(244))
    }

    /// Addresses of the pods on the real node: 510, for 250 pods and their successors.
    pub fn node_pods(self) -> String {
        format!("10.{}.0.0/23", self.below(244))
    }

    /// Addresses of the pods that only the API server knows; nothing is routed there.
    pub fn kwok_pods(self) -> String {
        format!("10.{}.0.0/16", self.below(245))
    }

    /// Addresses of Services.
    pub fn services(self) -> String {
        format!("10.{}.0.0/16", self.of(96))
    }

    /// The API server's own Service.
    pub fn api_service(self) -> String {
        format!("10.{}.0.1", self.of(96))
    }

    /// The cluster's DNS Service.
    pub fn dns_service(self) -> String {
        format!("10.{}.0.10", self.of(96))
    }

    /// What names of this index end with: nothing for 0.
    pub(crate) fn suffix(self) -> String {
        if self.0 == 0 { String::new() } else { format!("-{self}") }
    }

    fn of(self, first: u8) -> u8 {
        first.saturating_add(self.0)
    }

    /// Ranges of two, counted down: pods and kwok's pods.
    fn below(self, first: u8) -> u8 {
        first.saturating_sub(self.0.saturating_mul(2))
    }
}

impl FromStr for ClusterIndex {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let index = text.parse().ok().filter(|index| *index < Self::COUNT);
        index.map(Self).ok_or_else(|| Error::Index { text: text.to_owned() })
    }
}

impl fmt::Display for ClusterIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use super::*;

    /// First and last address of a range.
    fn range(text: &str) -> (u32, u32) {
        let (address, prefix) = text.split_once('/').unwrap();
        let first = u32::from(address.parse::<Ipv4Addr>().unwrap());
        let size = 1_u32 << (32 - prefix.parse::<u32>().unwrap());
        assert_eq!(first % size, 0, "{text} is not the start of its range");
        (first, first + size - 1)
    }

    #[test]
    fn clusters_share_no_name() {
        let names: Vec<String> = ClusterIndex::all()
            .flat_map(|index| [index.namespace(), index.host_link(), index.control_group()])
            .collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 30);
        for index in ClusterIndex::all() {
            assert!(index.host_link().len() <= 15, "{} is too long for an interface", index.host_link());
        }
    }

    #[test]
    fn clusters_share_no_address() {
        let ranges: Vec<(u32, u32)> = ClusterIndex::all()
            .flat_map(|index| {
                let link = format!("{}.0/{LINK_PREFIX}", index.host().rsplit_once('.').unwrap().0);
                [link, index.pods(), index.kwok_pods(), index.services()]
            })
            .map(|text| range(&text))
            .collect();
        for (position, one) in ranges.iter().enumerate() {
            for other in &ranges[..position] {
                assert!(one.1 < other.0 || other.1 < one.0, "{one:?} and {other:?} overlap");
            }
        }
    }

    #[test]
    fn addresses_lie_in_their_ranges() {
        for index in ClusterIndex::all() {
            let inside = |address: &str, text: &str| {
                let (first, last) = range(text);
                (first..=last).contains(&u32::from(address.parse::<Ipv4Addr>().unwrap()))
            };
            assert!(inside(&index.api_service(), &index.services()));
            assert!(inside(&index.dns_service(), &index.services()));
            let pods = index.node_pods();
            assert!(inside(pods.split_once('/').unwrap().0, &index.pods()));
            assert_eq!(
                index.host().rsplit_once('.').unwrap().0,
                index.node().rsplit_once('.').unwrap().0,
                "host and node are on one link"
            );
            assert!(inside(&index.node(), "192.168.0.0/16"));
        }
    }

    #[test]
    fn only_0_to_9_is_an_index() {
        assert_eq!("0".parse::<ClusterIndex>().unwrap(), ClusterIndex::default());
        assert_eq!("9".parse::<ClusterIndex>().unwrap().to_string(), "9");
        for text in ["10", "-1", "", "one", "256"] {
            text.parse::<ClusterIndex>().unwrap_err();
        }
        assert_eq!(
            "10".parse::<ClusterIndex>().unwrap_err().to_string(),
            "cluster index \"10\": a number from 0 to 9 is allowed"
        );
    }
}
