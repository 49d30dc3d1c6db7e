//! Two indexes: the first has high findings for every package, the second a critical one for every image besides.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::images::{Images, Subject};

const HIGH: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

pub(crate) struct Indexes {
    first: PathBuf,
    second: PathBuf,
    published: PathBuf,
}

impl Indexes {
    /// Builds both by `breakwater db build`.
    pub(crate) fn build(program: &Path, directory: &Path, images: &Images) -> Self {
        let records = directory.join("osv");
        fs::remove_dir_all(&records).ok();
        fs::create_dir_all(&records).expect("a directory");
        let write = |id: &str, subject: &Subject, severity: &str| {
            let text = record(id, subject, severity).to_string();
            fs::write(records.join(format!("{id}.json")), text).expect("it fits");
        };
        for (position, subject) in images.subjects().iter().enumerate() {
            for number in 0..images.per_subject() {
                write(&format!("BENCH-{position}-{number}"), subject, HIGH);
            }
        }
        let build = |name: &str, revision: &str| {
            let out = directory.join(name);
            let mut build = Command::new(program);
            build
                .args(["db", "build", "--revision", revision, "--source"])
                .arg(&records)
                .arg("--out")
                .arg(&out);
            assert!(build.status().expect("it starts").success(), "the index is built");
            out
        };
        let first = build("first.bwdb", "1");
        write("BENCH-critical", images.common(), CRITICAL);
        let second = build("second.bwdb", "2");
        Self { first, second, published: directory.join("published.bwdb") }
    }

    /// The file that the operator follows.
    pub(crate) fn published(&self) -> &Path {
        &self.published
    }

    pub(crate) fn publish_first(&self) {
        self.publish(&self.first);
    }

    pub(crate) fn publish_second(&self) {
        self.publish(&self.second);
    }

    fn publish(&self, index: &Path) {
        let new = self.published.with_extension("new");
        fs::copy(index, &new).expect("it fits");
        fs::rename(&new, &self.published).expect("one file system");
    }
}

fn record(id: &str, (ecosystem, name): &Subject, severity: &str) -> Value {
    let kind = if ecosystem == "npm" || ecosystem == "Go" || ecosystem == "crates.io" {
        "SEMVER"
    } else {
        "ECOSYSTEM"
    };
    json!({
        "schema_version": "1.7.0",
        "id": id,
        "published": "2024-01-01T00:00:00Z",
        "modified": "2024-01-01T00:00:00Z",
        "summary": "an advisory of the benchmark",
        "severity": [{"type": "CVSS_V3", "score": severity}],
        "affected": [{
            "package": {"ecosystem": ecosystem, "name": name},
            "ranges": [{"type": kind, "events": [{"introduced": "0"}, {"fixed": "9999.0.0"}]}],
        }],
    })
}
