//! A posted inventory: of an offered manifest, within its bounds, printable.

use breakwater_core::{
    Inventory,
    inventory::{MAX_ENTRIES, MAX_INVENTORY, MAX_PACKAGES, Package, SCHEMA_VERSION},
    printable,
    scan::PostedInventory,
};

use super::{Refusal, record::Offered};

/// The longest string an inventory keeps, in characters; what is longer is cut and marked.
const MAX_TEXT: usize = 1024;
/// The most commas of the JSON text: bounds what it may grow to in memory (about 36 MiB), whatever the shape.
const MAX_COMMAS: usize = 1_500_000;
/// The most layers, and entries of each list of the image's configuration.
const MAX_SMALL_LIST: usize = 1_000;

/// Reads the body: a zstd frame of at most [`MAX_INVENTORY`] bytes of JSON.
///
/// # Errors
/// [`Refusal::TooLarge`] if the frame says that it is larger, [`Refusal::Malformed`] if it is without saying so, has more entries than
/// any inventory, or is none.
pub fn read(body: &[u8]) -> Result<PostedInventory, Refusal> {
    let size = zstd::zstd_safe::get_frame_content_size(body).ok().flatten();
    if size.is_some_and(|size| size > MAX_INVENTORY as u64) {
        return Err(Refusal::TooLarge(MAX_INVENTORY));
    }
    let json = zstd::bulk::decompress(body, MAX_INVENTORY)
        .map_err(|_| Refusal::Malformed(format!("no zstd frame of at most {MAX_INVENTORY} bytes")))?;
    if count(b',', &json) > MAX_COMMAS {
        return Err(Refusal::Malformed("the inventory has too many entries".into()));
    }
    serde_json::from_slice(&json).map_err(|error| Refusal::unreadable("inventory", &error))
}

fn count(byte: u8, bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == byte).count()
}

/// The inventory, clean, if a Job that offered `offered` may post it: every string in it is one printable line.
///
/// # Errors
/// [`Refusal::NotOffered`] if it is about anything else, [`Refusal::SchemaUnsupported`], and [`Refusal::Malformed`] for too long lists.
pub fn accept(offered: &Offered, posted: PostedInventory) -> Result<Inventory, Refusal> {
    let PostedInventory { image, mut inventory } = posted;
    let about = &inventory.image;
    let offered = offered.manifests.iter().find(|manifest| manifest.digest == about.digest);
    let offered = offered.ok_or_else(|| Refusal::NotOffered(about.digest.to_string()))?;
    if offered.config != about.config_digest {
        return Err(Refusal::NotOffered(format!("the configuration {}", about.config_digest)));
    }
    if offered.platform != about.platform {
        return Err(Refusal::NotOffered(format!("{} for {}", about.digest, about.platform)));
    }
    if inventory.schema_version != SCHEMA_VERSION {
        return Err(Refusal::SchemaUnsupported(inventory.schema_version));
    }
    within_bounds(&inventory)?;
    inventory.image.reference = image.to_string();
    clean(&mut inventory);
    Ok(inventory)
}

fn within_bounds(inventory: &Inventory) -> Result<(), Refusal> {
    let config = &inventory.config;
    for (list, len, max) in [
        ("packages", inventory.packages.len(), MAX_PACKAGES),
        ("software", inventory.software.len(), MAX_ENTRIES),
        ("files", inventory.files.len(), MAX_ENTRIES),
        ("secrets", inventory.secrets.len(), MAX_ENTRIES),
        ("unanalysed", inventory.unanalysed.len(), MAX_ENTRIES),
        ("layers", inventory.layers.len(), MAX_SMALL_LIST),
        ("config.env", config.env.len(), MAX_SMALL_LIST),
        ("config.entrypoint", config.entrypoint.len(), MAX_SMALL_LIST),
        ("config.cmd", config.cmd.len(), MAX_SMALL_LIST),
        ("config.exposedPorts", config.exposed_ports.len(), MAX_SMALL_LIST),
        ("config.volumes", config.volumes.len(), MAX_SMALL_LIST),
        ("config.labels", config.labels.len(), MAX_SMALL_LIST),
    ] {
        if len > max {
            return Err(Refusal::Malformed(format!("{list} has {len} entries; {max} are the most")));
        }
    }
    Ok(())
}

/// Every string that came from the image, made printable and bounded.
fn clean(inventory: &mut Inventory) {
    let line = |text: &mut String| {
        let clean = printable::line(text, MAX_TEXT);
        if clean != *text {
            *text = clean;
        }
    };
    // Taken apart without `..`: a new list of strings cannot be forgotten.
    let Inventory {
        schema_version: _,
        image: _,
        scanner,
        os,
        base,
        layers,
        packages,
        software,
        files,
        secrets,
        config,
        unanalysed,
    } = inventory;
    for package in packages {
        let Package { name, version, ecosystem, purl, source, licenses, imports, layer: _, path } = package;
        [name, version, ecosystem, purl, path].into_iter().for_each(line);
        licenses.truncate(16);
        licenses.iter_mut().chain(imports).for_each(line);
        if let Some(source) = source {
            [&mut source.name, &mut source.version].into_iter().for_each(line);
        }
    }
    for software in software {
        [&mut software.name, &mut software.path].into_iter().for_each(line);
    }
    for secret in secrets {
        [&mut secret.rule, &mut secret.path, &mut secret.fingerprint].into_iter().for_each(line);
    }
    for file in files {
        [&mut file.path, &mut file.detail].into_iter().for_each(line);
    }
    for entry in unanalysed {
        [&mut entry.path, &mut entry.reason].into_iter().for_each(line);
    }
    layers.iter_mut().for_each(|layer| line(&mut layer.created_by));
    if let Some(base) = base {
        line(&mut base.name);
    }
    if let Some(os) = os {
        [&mut os.id, &mut os.version, &mut os.name].into_iter().for_each(line);
    }
    [&mut scanner.name, &mut scanner.version].into_iter().for_each(line);
    line(&mut config.user);
    for list in [
        &mut config.env,
        &mut config.entrypoint,
        &mut config.cmd,
        &mut config.exposed_ports,
        &mut config.volumes,
    ] {
        list.iter_mut().for_each(line);
    }
    let labels = std::mem::take(&mut config.labels);
    config.labels = labels
        .into_iter()
        .map(|(key, value)| (printable::line(&key, MAX_TEXT), printable::line(&value, MAX_TEXT)))
        .collect();
}

#[cfg(test)]
mod tests {
    use breakwater_core::inventory::BaseImage;

    use super::*;
    use crate::intake::fixtures;

    fn reason(change: impl Fn(&mut Inventory)) -> &'static str {
        let mut posted = fixtures::posted("app");
        change(&mut posted.inventory);
        accept(&fixtures::offered("app"), posted).unwrap_err().reason()
    }

    #[test]
    fn only_of_an_offered_manifest_with_its_configuration_and_platform() {
        assert!(accept(&fixtures::offered("app"), fixtures::posted("app")).is_ok());
        let other = breakwater_core::Digest::of(b"other");
        assert_eq!(reason(|i| i.image.digest = other.clone()), "NotOffered");
        assert_eq!(reason(|i| i.image.config_digest = other.clone()), "NotOffered");
        assert_eq!(reason(|i| i.image.platform = breakwater_core::Platform::linux("arm64")), "NotOffered");
    }

    #[test]
    fn only_of_this_schema_and_within_bounds() {
        assert_eq!(reason(|i| i.schema_version = 2), "SchemaUnsupported");
        assert_eq!(reason(|i| i.packages = vec![fixtures::package("p"); MAX_PACKAGES + 1]), "Malformed");
        assert_eq!(reason(|i| i.config.env = vec![String::new(); MAX_SMALL_LIST + 1]), "Malformed");
    }

    #[test]
    fn hostile_strings_are_made_printable_and_short() {
        let mut posted = fixtures::posted("app");
        posted.inventory.packages = vec![fixtures::package("a\x1b[2Jb")];
        posted.inventory.packages[0].imports = vec!["a\nb".into()];
        posted.inventory.config.labels.insert("k\n".into(), "v".repeat(5_000));
        posted.inventory.base = Some(BaseImage { name: "\x1b".repeat(5_000), digest: None, layers: 0 });
        let inventory = accept(&fixtures::offered("app"), posted).unwrap();
        assert_eq!(inventory.packages[0].name, "a\u{fffd}[2Jb");
        assert_eq!(inventory.packages[0].imports, ["a\u{fffd}b"]);
        let base = inventory.base.unwrap().name;
        assert!(base.chars().count() == MAX_TEXT && !base.contains('\x1b'));
        let (key, value) = inventory.config.labels.first_key_value().unwrap();
        assert_eq!((key.as_str(), value.chars().count()), ("k\u{fffd}", MAX_TEXT));
    }

    #[test]
    fn a_body_is_a_bounded_frame_of_json() {
        let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
        let good = serde_json::to_vec(&fixtures::posted("app")).unwrap();
        assert_eq!(read(&frame(&good)).unwrap(), fixtures::posted("app"));
        let commas = format!("[{}]", "0,".repeat(MAX_COMMAS + 1));
        for bad in [good.clone(), frame(b"{}"), frame(commas.as_bytes()), vec![]] {
            assert_eq!(read(&bad).unwrap_err().reason(), "Malformed");
        }
        assert_eq!(read(&frame(&vec![b' '; MAX_INVENTORY + 1])).unwrap_err().reason(), "TooLarge");
    }

    #[test]
    fn what_is_said_of_a_body_does_not_repeat_it() {
        let body = format!("{{\"\\u001b{}\": 1}}", "x".repeat(100_000));
        let said = read(&zstd::bulk::compress(body.as_bytes(), 1).unwrap()).unwrap_err().to_string();
        assert!(said.len() < 500 && !said.contains('\x1b'), "{said}");
    }
}
