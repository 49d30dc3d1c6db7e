//! The definitions as files of `config/crd`.

use crate::definition;

/// A file of `config/crd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub content: String,
}

/// All files of `config/crd`: one per kind and the kustomization that lists them.
///
/// # Errors
/// If a definition cannot be written as YAML.
pub fn files() -> Result<Vec<File>, serde_saphyr::ser::Error> {
    let mut files = Vec::new();
    for definition in definition::all() {
        let yaml = serde_saphyr::to_string(&definition)?;
        files.push(File {
            name: format!("{}.yaml", definition.spec.names.plural),
            content: format!("# Written by crdgen. Do not edit: change crds/src and run it again.\n{yaml}"),
        });
    }
    let mut kustomization = String::from(
        "# Written by crdgen.\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n",
    );
    for file in &files {
        kustomization.push_str(&format!("  - {}\n", file.name));
    }
    files.push(File { name: "kustomization.yaml".into(), content: kustomization });
    Ok(files)
}
