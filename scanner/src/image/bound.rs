//! An inventory brought within its bounds; what is left out is said.

use breakwater_core::inventory::{Inventory, MAX_ENTRIES, MAX_INVENTORY, MAX_PACKAGES, Unanalysed};

/// Sorts the lists, drops doubles and cuts them; the last cut is by the size of the document as JSON.
pub(crate) fn bound(inventory: &mut Inventory) {
    inventory.packages.sort();
    inventory.packages.dedup();
    inventory.software.sort();
    inventory.software.dedup();
    inventory.files.sort();
    inventory.files.dedup();
    inventory.secrets.sort();
    inventory.secrets.dedup();
    inventory.unanalysed.sort();
    inventory.unanalysed.dedup();
    let packages = inventory.packages.len();
    inventory.packages.truncate(MAX_PACKAGES);
    let software = inventory.software.len();
    inventory.software.truncate(MAX_ENTRIES);
    let files = inventory.files.len();
    inventory.files.truncate(MAX_ENTRIES);
    let secrets = inventory.secrets.len();
    inventory.secrets.truncate(MAX_ENTRIES);
    let unanalysed = inventory.unanalysed.len();
    // Room is kept for the words about what was cut.
    inventory.unanalysed.truncate(MAX_ENTRIES - 8);
    let imports = linked(inventory);
    if is_too_large(inventory) {
        // Without them modules count as a whole, and nothing is missed.
        inventory.packages.iter_mut().for_each(|package| package.imports.clear());
    }
    while is_too_large(inventory) {
        let kept = inventory.packages.len() * 3 / 4;
        inventory.packages.truncate(kept);
        if kept == 0 {
            inventory.unanalysed.truncate(inventory.unanalysed.len() / 2);
            inventory.software.truncate(inventory.software.len() / 2);
            inventory.files.truncate(inventory.files.len() / 2);
            inventory.secrets.truncate(inventory.secrets.len() / 2);
            inventory.config.labels.clear();
        }
    }
    let cuts = [
        ("packages", packages, inventory.packages.len()),
        ("imports", imports, linked(inventory)),
        ("software", software, inventory.software.len()),
        ("files", files, inventory.files.len()),
        ("secrets", secrets, inventory.secrets.len()),
        ("unanalysed", unanalysed, inventory.unanalysed.len()),
    ];
    for (list, found, kept) in cuts.into_iter().filter(|(_, found, kept)| found > kept) {
        let reason = format!("{found} entries were found; {kept} are listed");
        inventory.unanalysed.push(Unanalysed { path: list.into(), reason });
    }
}

fn is_too_large(inventory: &Inventory) -> bool {
    serde_json::to_vec(inventory).is_ok_and(|json| json.len() > MAX_INVENTORY - 1024)
}

/// How many packages of Go modules are listed.
fn linked(inventory: &Inventory) -> usize {
    inventory.packages.iter().map(|package| package.imports.len()).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_linked_goes_before_any_package() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let module = |number: usize| {
            let imports: Vec<String> =
                (0..2_000).map(|n| format!("example.test/{number}/{n:0100}")).collect();
            json!({"name": format!("m{number}"), "version": "v1.0.0", "ecosystem": "Go", "purl": "", "path": "p", "imports": imports})
        };
        let mut inventory: Inventory = serde_json::from_value(json!({
            "schemaVersion": 1, "scanner": {"name": "test", "version": "0"},
            "image": {"reference": "test", "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
            "layers": [], "packages": (0..100).map(module).collect::<Vec<_>>(), "software": [], "config": {}, "unanalysed": []
        }))
        .unwrap();
        bound(&mut inventory);
        assert_eq!((inventory.packages.len(), linked(&inventory)), (100, 0));
        let [said] = &inventory.unanalysed[..] else { panic!("{:?}", inventory.unanalysed) };
        assert_eq!(
            (said.path.as_str(), said.reason.as_str()),
            ("imports", "200000 entries were found; 0 are listed")
        );
        assert!(!is_too_large(&inventory));
    }
}
