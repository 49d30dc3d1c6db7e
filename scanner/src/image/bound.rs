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
    while serde_json::to_vec(inventory).is_ok_and(|json| json.len() > MAX_INVENTORY - 1024) {
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
