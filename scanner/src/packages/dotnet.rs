//! .NET: the dependency manifest beside a program (`*.deps.json`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{LanguagePackage, name, purl::purl, version};
use crate::limits::MAX_LISTED;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    runtime_target: RuntimeTarget,
    #[serde(default)]
    targets: BTreeMap<String, BTreeMap<String, Target>>,
    libraries: BTreeMap<String, Library>,
}

/// An object since .NET Core 1.0 was released, a plain string before.
#[derive(Deserialize)]
#[serde(untagged)]
enum RuntimeTarget {
    Named { name: String },
    Other(Value),
}

impl Default for RuntimeTarget {
    fn default() -> Self {
        Self::Other(Value::Null)
    }
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type", default)]
    kind: String,
}

/// What of a library is needed; one that has nothing here only binds others together or serves the build.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Target {
    runtime: Value,
    native: Value,
    runtime_targets: Value,
    resources: Value,
}

impl Target {
    fn has_files(&self) -> bool {
        [&self.runtime, &self.native, &self.runtime_targets, &self.resources]
            .iter()
            .any(|files| files.as_object().is_some_and(|files| !files.is_empty()))
    }
}

/// The packages that the program loads at run time, and the shared framework where the program brings it along.
///
/// # Errors
/// Why the file cannot be read, for `unanalysed`.
pub fn parse(bytes: &[u8]) -> Result<Vec<LanguagePackage>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|_| "a .deps.json that cannot be understood".to_owned())?;
    if manifest.libraries.len() > MAX_LISTED {
        return Err(format!("lists more than {MAX_LISTED} packages"));
    }
    let target = match &manifest.runtime_target {
        RuntimeTarget::Named { name } => manifest.targets.get(name),
        RuntimeTarget::Other(name) => name.as_str().and_then(|name| manifest.targets.get(name)),
    };
    let is_loaded = |key: &str| target.and_then(|target| target.get(key)).is_none_or(Target::has_files);
    let packages = manifest.libraries.iter().filter(|(key, library)| match library.kind.as_str() {
        "package" | "runtimepack" => is_loaded(key),
        _ => false,
    });
    Ok(packages.filter_map(|(key, _)| listed(key)).collect())
}

/// `NAME/VERSION`.
fn listed(key: &str) -> Option<LanguagePackage> {
    let (stated_name, stated_version) = key.split_once('/')?;
    // A runtime that was packed along is the package of the same name without this prefix.
    let stated_name = stated_name.strip_prefix("runtimepack.").unwrap_or(stated_name);
    let (name, version) = (name(stated_name), version(stated_version));
    if name.is_empty() || version.is_empty() {
        return None;
    }
    let purl = purl("nuget", &name, &version, &[]);
    Some(LanguagePackage::new("NuGet", name, version, purl))
}

#[cfg(test)]
mod tests {
    use super::parse;

    const MANIFEST: &str = r#"{
      "runtimeTarget": {"name": ".NETCoreApp,Version=v8.0/linux-x64", "signature": ""},
      "targets": {".NETCoreApp,Version=v8.0": {}, ".NETCoreApp,Version=v8.0/linux-x64": {
        "app/1.0.0": {"dependencies": {"Newtonsoft.Json": "12.0.1"}, "runtime": {"app.dll": {}}},
        "Newtonsoft.Json/12.0.1": {"runtime": {"lib/netstandard2.0/Newtonsoft.Json.dll": {}}},
        "Microsoft.NETCore.Targets/1.1.0": {"dependencies": {}},
        "SQLite.Native/2.0": {"native": {"libsqlite3.so": {}}},
        "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"runtime": {"System.Private.CoreLib.dll": {}}}}},
      "libraries": {
        "app/1.0.0": {"type": "project"},
        "Newtonsoft.Json/12.0.1": {"type": "package", "serviceable": true},
        "Microsoft.NETCore.Targets/1.1.0": {"type": "package"},
        "SQLite.Native/2.0": {"type": "package"},
        "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack"},
        "broken": {"type": "package"}}}"#;

    #[test]
    fn packages_that_are_loaded_are_listed() {
        let found = parse(MANIFEST.as_bytes()).unwrap();
        let purls: Vec<_> = found.iter().map(|package| package.purl.as_str()).collect();
        assert_eq!(
            purls,
            [
                "pkg:nuget/Newtonsoft.Json@12.0.1",
                "pkg:nuget/SQLite.Native@2.0",
                "pkg:nuget/Microsoft.NETCore.App.Runtime.linux-x64@8.0.1",
            ]
        );
    }

    #[test]
    fn without_targets_all_packages_count() {
        let text = br#"{"runtimeTarget": ".NETCoreApp", "libraries": {"A/1.0": {"type": "package"}}}"#;
        assert_eq!(parse(text).unwrap()[0].name, "A");
        for text in ["", "{}", "[]", r#"{"libraries": []}"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
