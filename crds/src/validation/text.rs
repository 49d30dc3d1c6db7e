//! Small words that many fields share.

use breakwater_core::{Platform, glob::Glob, policy, printable};
use chrono::{DateTime, TimeDelta, Utc};

use super::problem::Fault;

/// Hours, minutes, seconds, in this order, each at most once.
pub(super) fn duration(text: &str) -> Result<TimeDelta, Fault> {
    let fault = || Fault::Duration(printable::line(text, 40));
    let mut rest = text;
    let mut seconds = 0_i64;
    for (unit, length) in [('h', 3_600_i64), ('m', 60), ('s', 1)] {
        if let Some((count, after)) = rest.split_once(unit) {
            if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
                return Err(fault());
            }
            let count: i64 = count.parse().map_err(|_| fault())?;
            seconds = count.checked_mul(length).and_then(|s| seconds.checked_add(s)).ok_or_else(fault)?;
            rest = after;
        }
    }
    if !rest.is_empty() || text.is_empty() {
        return Err(fault());
    }
    TimeDelta::try_seconds(seconds).ok_or_else(fault)
}

/// A duration that must not be shorter than `min`, which is written `as_text`.
pub(super) fn duration_of(text: &str, min: TimeDelta, as_text: &'static str) -> Result<TimeDelta, Fault> {
    let duration = duration(text)?;
    if duration < min { Err(Fault::ShorterThan(as_text)) } else { Ok(duration) }
}

/// At least a second: a limit of nothing would refuse everything.
pub(super) fn some_time(text: &str) -> Result<TimeDelta, Fault> {
    duration_of(text, TimeDelta::seconds(1), "1s")
}

pub(super) fn time(text: &str) -> Result<DateTime<Utc>, Fault> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .map_err(|_| Fault::Time(printable::line(text, 40)))
}

pub(super) fn glob(text: &impl AsRef<str>) -> Result<Glob, Fault> {
    Ok(Glob::new(text.as_ref())?)
}

/// A glob over canonical image names: `nginx` would never match `docker.io/library/nginx`.
pub(super) fn image_glob(text: &impl AsRef<str>) -> Result<Glob, Fault> {
    let text = text.as_ref();
    let glob = Glob::new(text)?;
    if text.starts_with('*') || text.contains('/') {
        Ok(glob)
    } else {
        Err(Fault::ShortImageName(printable::line(text, 100)))
    }
}

pub(super) fn platform(text: &impl AsRef<str>) -> Result<Platform, Fault> {
    Ok(text.as_ref().parse::<Platform>()?)
}

/// 10.0 is 100 tenths.
pub(super) fn cvss_tenths(text: &str) -> Result<u8, Fault> {
    let fault = || Fault::Cvss(printable::line(text, 20));
    let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(whole, 2) || !digits(tenths, 1) {
        return Err(fault());
    }
    let score = whole.parse::<u8>().ok().and_then(|w| w.checked_mul(10)).zip(tenths.parse::<u8>().ok());
    score
        .and_then(|(whole, tenths)| whole.checked_add(tenths))
        .filter(|score| *score <= 100)
        .ok_or_else(fault)
}

/// The shape itself is the schema's business; this gives it a better word.
pub(super) fn vulnerability_id(text: &impl AsRef<str>) -> Result<String, Fault> {
    let text = text.as_ref();
    let number = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let is_cve =
        |rest: &str| rest.split_once('-').is_some_and(|(year, n)| number(year, 4..=4) && number(n, 4..=19));
    let named = text.split_once('-').is_some_and(|(source, rest)| !source.is_empty() && !rest.is_empty());
    let cve = text.get(..3).is_some_and(|prefix| prefix.eq_ignore_ascii_case("cve"));
    if named && (!cve || text.strip_prefix("CVE-").is_some_and(is_cve)) {
        Ok(text.to_owned())
    } else {
        Err(Fault::VulnerabilityId(printable::line(text, 60)))
    }
}

/// Linux capabilities up to 6.18 (include/uapi/linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

pub(super) fn capability(text: &impl AsRef<str>) -> Result<String, Fault> {
    let text = text.as_ref();
    if CAPABILITIES.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(Fault::Capability(printable::line(text, 40)))
    }
}

/// The id or the rule path of a check.
pub(super) fn rule(text: &impl AsRef<str>) -> Result<String, Fault> {
    let text = text.as_ref();
    if policy::is_rule_or_check(text) {
        Ok(text.to_owned())
    } else {
        let name = printable::line(text, 64);
        Err(Fault::UnknownRule { closest: policy::closest_rule(&name), name })
    }
}

/// Counts and percentages that the schema keeps from being negative.
pub(super) fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

pub(super) fn percent(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 100)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [("168h", 604_800), ("1h30m", 5_400), ("45s", 45), ("0s", 0), ("1h1s", 3_601)]
        {
            assert_eq!(duration(text).unwrap().num_seconds(), seconds, "{text}");
        }
        for bad in
            ["", "7d", "1.5h", "h", "30m1h", "1h1h", "-1h", "1 h", "10", "1ms", "99999999999999999999h"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scores() {
        for (text, tenths) in [("0", 0), ("8.9", 89), ("10", 100), ("10.0", 100), ("0.1", 1)] {
            assert_eq!(cvss_tenths(text).unwrap(), tenths);
        }
        for bad in ["", "10.1", "11", "8.95", "-1", "8.", ".5", "8,9"] {
            assert!(cvss_tenths(bad).is_err(), "{bad}");
        }
    }
}
