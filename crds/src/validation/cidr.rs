use std::net::IpAddr;

use breakwater_core::printable;

use super::problem::Fault;

/// `address/prefix` as the API server's `isCIDR` takes it: no leading zeros, no zone, no IPv4 in IPv6.
pub(super) fn parse(text: &str) -> Result<(IpAddr, u8), Fault> {
    let fault = || Fault::Cidr(printable::line(text, 60));
    let (address, prefix) = text.split_once('/').ok_or_else(fault)?;
    let address: IpAddr = address.parse().map_err(|_| fault())?;
    let most = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return Err(fault()),
        IpAddr::V6(_) => 128,
    };
    let canonical = prefix == "0" || !prefix.starts_with('0');
    match prefix.parse::<u8>() {
        Ok(length) if canonical && length <= most && prefix.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((address, length))
        }
        _ => Err(fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn networks() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0", "192.168.1.7/32"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/08",
            "010.0.0.0/8",
            "::ffff:1.2.3.4/100",
            "x/1",
            "::/129",
            "1.2.3.4/+8",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
