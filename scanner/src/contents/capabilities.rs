//! The extended attribute `security.capability` (capabilities(7), "File capability extended attribute versioning"; linux/capability.h).

/// By number.
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

const EFFECTIVE: u32 = 1;

/// The attribute as getcap(8) writes it: `cap_net_raw=ep`, `cap_chown,cap_kill=p cap_setuid=i`. An attribute of another form is named as
/// such: it may grant something. Empty if it grants nothing.
#[must_use]
pub fn describe(attribute: &[u8]) -> String {
    let unknown = || "capabilities of an unknown form".to_owned();
    let mut words = attribute.chunks(4).map(|word| word.try_into().map(u32::from_le_bytes).ok());
    let mut word = || words.next().flatten();
    let Some(magic) = word() else { return unknown() };
    let (pairs, has_root) = match magic >> 24 {
        1 => (1, false),
        2 => (2, false),
        3 => (2, true),
        _ => return unknown(),
    };
    let (mut permitted, mut inheritable) = (0_u64, 0_u64);
    for pair in 0..pairs {
        let (Some(low), Some(high)) = (word(), word()) else { return unknown() };
        permitted |= u64::from(low) << (32 * pair);
        inheritable |= u64::from(high) << (32 * pair);
    }
    let mut sets = Vec::new();
    if permitted != 0 {
        let flags = if magic & EFFECTIVE == 0 { "p" } else { "ep" };
        sets.push(format!("{}={flags}", names(permitted)));
    }
    if inheritable != 0 {
        sets.push(format!("{}=i", names(inheritable)));
    }
    match (has_root, word()) {
        // Only for containers whose user namespace maps this user to root.
        (true, Some(root)) if root != 0 && !sets.is_empty() => sets.push(format!("rootid {root}")),
        _ => {}
    }
    sets.join(" ")
}

fn names(set: u64) -> String {
    let numbers = (0..64_usize).filter(|number| set >> number & 1 == 1);
    let name =
        |number: usize| NAMES.get(number).map_or_else(|| format!("cap_{number}"), |name| (*name).to_owned());
    numbers.map(name).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn every_revision_is_read() {
        for (words, expected) in [
            (&[0x0200_0001, 1 << 13, 0, 0, 0][..], "cap_net_raw=ep"),
            (&[0x0200_0000, 1 << 10 | 1, 0, 0, 0], "cap_chown,cap_net_bind_service=p"),
            (&[0x0200_0001, 0, 0, 1 << 7, 0], "cap_bpf=ep"),
            (&[0x0300_0001, 1 << 12, 1 << 7, 0, 0, 0], "cap_net_admin=ep cap_setuid=i"),
            (&[0x0300_0001, 1 << 12, 0, 0, 0, 1000], "cap_net_admin=ep rootid 1000"),
            (&[0x0100_0000, 1 << 21, 0], "cap_sys_admin=p"),
            (&[0x0200_0001, 0, 0, 1 << 20, 0], "cap_52=ep"),
            (&[0x0200_0000, 0, 0, 0, 0], ""),
            (&[0x0900_0000, 1, 0], "capabilities of an unknown form"),
            (&[0x0200_0000, 1], "capabilities of an unknown form"),
            (&[], "capabilities of an unknown form"),
        ] {
            assert_eq!(describe(&attribute(words)), expected, "{words:x?}");
        }
        assert_eq!(describe(b"\x01"), "capabilities of an unknown form");
    }
}
