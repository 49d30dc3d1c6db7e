//! Files that grant or hold more than a file should, as their entry in the archive tells.

use breakwater_core::inventory::SpecialFileKind::{
    self, Capabilities, PrivateKey, Setgid, Setuid, WorldWritable,
};

use super::capabilities;
use crate::layer::entry::{Entry, Kind};

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const GROUP_EXECUTES: u32 = 0o0010;
const OTHERS_WRITE: u32 = 0o0002;

/// Names under which ssh-keygen(1) writes private keys.
const KEY_NAMES: [&str; 6] = ["id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_rsa"];
/// Stores of private keys that are no text: PKCS #12, Java's, PuTTY's, KeePass's.
const KEY_STORES: [&str; 6] = ["jks", "kdbx", "keystore", "p12", "pfx", "ppk"];

/// A kind, and what makes the file one.
pub type Special = (SpecialFileKind, String);

/// What the entry's rights and name tell.
#[must_use]
pub fn special_of(entry: &Entry) -> Vec<Special> {
    let mut found = Vec::new();
    let mode = entry.mode;
    // A hard link's header sets the rights of the file it leads to, as container runtimes unpack it.
    let is_file = matches!(entry.kind, Kind::File | Kind::HardLink);
    if is_file && mode & SETUID != 0 && entry.is_executable() {
        found.push((Setuid, format!("mode {mode:04o}, owner {}", entry.uid)));
    }
    if is_file && mode & SETGID != 0 && mode & GROUP_EXECUTES != 0 {
        found.push((Setgid, format!("mode {mode:04o}, group {}", entry.gid)));
    }
    if is_file && !entry.capabilities.is_empty() {
        let granted = capabilities::describe(&entry.capabilities);
        found.extend((!granted.is_empty()).then_some((Capabilities, granted)));
    }
    let is_open =
        mode & OTHERS_WRITE != 0 && (is_file || entry.kind == Kind::Directory && mode & STICKY == 0);
    if is_open {
        let what = if is_file { "" } else { "directory, " };
        found.push((WorldWritable, format!("{what}mode {mode:04o}")));
    }
    found.extend(key_by_name(entry).map(|what| (PrivateKey, what.to_owned())));
    found
}

fn key_by_name(entry: &Entry) -> Option<&'static str> {
    let name = entry.path.rsplit_once('/').map_or(entry.path.as_str(), |(_, name)| name);
    if entry.kind != Kind::File || entry.size == 0 {
        return None;
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    if KEY_NAMES.contains(&name) {
        Some("named like an SSH key")
    } else if extension.is_some_and(|extension| KEY_STORES.contains(&extension)) {
        Some("named like a key store")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_and_names_tell() {
        for (path, kind, mode, expected) in [
            ("usr/bin/su", Kind::File, 0o4755, &[(Setuid, "mode 4755, owner 7")][..]),
            ("usr/bin/su", Kind::HardLink, 0o4755, &[(Setuid, "mode 4755, owner 7")]),
            ("usr/bin/su", Kind::SymbolicLink, 0o4777, &[]),
            ("usr/bin/wall", Kind::File, 0o2755, &[(Setgid, "mode 2755, group 8")]),
            ("data", Kind::File, 0o2644, &[]),
            ("var/mail", Kind::Directory, 0o2775, &[]),
            ("tmp", Kind::Directory, 0o1777, &[]),
            ("srv", Kind::Directory, 0o777, &[(WorldWritable, "directory, mode 0777")]),
            ("srv/x", Kind::File, 0o666, &[(WorldWritable, "mode 0666")]),
            ("dev/null", Kind::Other, 0o666, &[]),
            ("root/.ssh/id_rsa", Kind::File, 0o600, &[(PrivateKey, "named like an SSH key")]),
            ("root/.ssh/id_rsa.pub", Kind::File, 0o600, &[]),
            ("app/server.p12", Kind::File, 0o600, &[(PrivateKey, "named like a key store")]),
        ] {
            let entry = Entry { path: path.into(), mode, size: 1, uid: 7, gid: 8, ..Entry::of(kind) };
            let expected: Vec<Special> =
                expected.iter().map(|(kind, detail)| (*kind, (*detail).to_owned())).collect();
            assert_eq!(special_of(&entry), expected, "{path} {mode:o}");
        }
    }
}
