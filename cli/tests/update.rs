//! `breakwater db update`, `status` and `verify`, as people run them, against a bulk export that changes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop where they cannot go on"
)]

mod files;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use files::Shared;

fn record(id: &str, fixed: &str) -> Vec<u8> {
    serde_json::json!({"id": id, "affected": [{"package": {"ecosystem": "npm", "name": "a"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]})
    .to_string()
    .into_bytes()
}

fn zip(ids: &[String]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for id in ids {
        archive.start_file(format!("{id}.json"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&record(id, "2.0.0")).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn listing(lines: &[(String, &str)]) -> Vec<u8> {
    lines.iter().map(|(id, day)| format!("2026-08-{day}T00:00:00Z,{id}\n")).collect::<String>().into_bytes()
}

async fn breakwater(cache: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakwater"));
    command.args(arguments).env_remove("BREAKWATER_DB").env("XDG_CACHE_HOME", cache);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_fetched_and_what_is_gone_is_forgotten() {
    let export = Shared::default();
    let base = format!("http://{}/osv", files::serve(&export).await);
    let put = |path: &str, bytes: Vec<u8>| {
        export.lock().unwrap().files.insert(path.to_owned(), bytes);
    };
    let asked = || std::mem::take(&mut export.lock().unwrap().asked);
    let ids: Vec<String> = (0..40).map(|number| format!("CVE-2026-{number}")).collect();
    let mut lines: Vec<(String, &str)> = ids.iter().map(|id| (id.clone(), "01")).collect();
    // What changed within a day before the newest is asked for once more: archives are packed later than listed.
    lines[0].1 = "03";
    put("/osv/npm/CVE-2026-0.json", record("CVE-2026-0", "2.0.0"));
    put("/osv/ecosystems.txt", b"npm\n".to_vec());
    put("/osv/npm/all.zip", zip(&ids));
    put("/osv/npm/modified_id.csv", listing(&lines));
    put("/kev.json", br#"{"vulnerabilities": [{"cveID": "CVE-2026-1"}]}"#.to_vec());
    put("/epss.csv", b"cve,epss,percentile\nCVE-2026-1,0.5,0.5\n".to_vec());

    let cache = tempfile::tempdir().unwrap();
    let root = base.trim_end_matches("/osv");
    let (kev, epss) = (format!("{root}/kev.json"), format!("{root}/epss.csv"));
    let update = ["db", "update", "--source", &base, "--kev", &kev, "--epss", &epss];
    let first = breakwater(cache.path(), &update).await;
    assert!(first.status.success() && said(&first).contains("40 advisories"), "{}", said(&first));
    assert!(asked().contains(&"/osv/npm/all.zip".to_owned()));

    // One record changed, one is new, one is gone: the archive is not asked for.
    lines[3].1 = "05";
    lines.remove(7);
    lines.push(("GHSA-new".to_owned(), "06"));
    put("/osv/npm/modified_id.csv", listing(&lines));
    put("/osv/npm/CVE-2026-3.json", record("CVE-2026-3", "3.0.0"));
    put("/osv/npm/GHSA-new.json", record("GHSA-new", "2.0.0"));
    let second = breakwater(cache.path(), &update).await;
    let words = said(&second);
    assert!(words.contains("40 advisories") && words.contains("1 left out: withdrawn"), "{words}");
    let second_asked = asked();
    assert!(!second_asked.contains(&"/osv/npm/all.zip".to_owned()), "{second_asked:?}");
    assert!(second_asked.contains(&"/osv/npm/CVE-2026-3.json".to_owned()), "{second_asked:?}");
    let again = breakwater(cache.path(), &update).await;
    assert!(again.status.success(), "{}", said(&again));
    assert!(!asked().contains(&"/osv/npm/CVE-2026-3.json".to_owned()), "nothing changed since");

    // Listed and not there: the archive is fetched. A half of it is none, and the old index stays.
    lines.push(("GHSA-missing".to_owned(), "07"));
    put("/osv/npm/modified_id.csv", listing(&lines));
    let whole = zip(&ids);
    put("/osv/npm/all.zip", whole[..whole.len() / 2].to_vec());
    let broken = breakwater(cache.path(), &update).await;
    assert_eq!(broken.status.code(), Some(2));
    assert!(said(&broken).contains("not a whole zip archive"), "{}", said(&broken));
    let verified = breakwater(cache.path(), &["db", "verify"]).await;
    assert!(verified.status.success() && said(&verified).contains("40 advisories"), "{}", said(&verified));

    // An export that lost a quarter is not believed, unless it must be.
    let fewer: Vec<String> = ids.iter().take(30).cloned().collect();
    put("/osv/npm/all.zip", zip(&fewer));
    let shrunk = breakwater(cache.path(), &update).await;
    assert_eq!(shrunk.status.code(), Some(2));
    assert!(
        said(&shrunk).contains("npm: 40 to 30") && said(&shrunk).contains("--force"),
        "{}",
        said(&shrunk)
    );
    let forced = breakwater(cache.path(), &[&update[..], &["--force"]].concat()).await;
    assert!(forced.status.success(), "{}", said(&forced));
    let left: Vec<_> =
        std::fs::read_dir(cache.path().join("breakwater")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "index, mirror, joined: {left:?}");

    // An ecosystem that is listed and not there is named.
    put("/osv/ecosystems.txt", b"npm\nPyPI\n".to_vec());
    let missing = breakwater(cache.path(), &update).await;
    assert_eq!(missing.status.code(), Some(2));
    assert!(said(&missing).contains("PyPI/all.zip") && said(&missing).contains("404"), "{}", said(&missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_verify_name_what_is_wrong() {
    let cache = tempfile::tempdir().unwrap();
    for command in ["status", "verify"] {
        let missing = breakwater(cache.path(), &["db", command]).await;
        assert_eq!(missing.status.code(), Some(2));
        assert!(said(&missing).contains("breakwater/advisories.bwdb"), "{}", said(&missing));
        assert!(said(&missing).contains("`breakwater db update`"), "{}", said(&missing));
    }
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../advisories/testdata");
    let (osv, kev) = (testdata.join("osv"), testdata.join("kev.json"));
    let built = breakwater(
        cache.path(),
        &["db", "update", "--source", osv.to_str().unwrap(), "--kev", kev.to_str().unwrap()],
    )
    .await;
    assert!(built.status.success(), "{}", said(&built));
    assert!(breakwater(cache.path(), &["db", "status"]).await.status.success());
    assert!(said(&breakwater(cache.path(), &["db", "verify"]).await).contains("whole"));

    let path = cache.path().join("breakwater/advisories.bwdb");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let damaged = breakwater(cache.path(), &["db", "verify"]).await;
    assert_eq!(damaged.status.code(), Some(2));
    assert!(said(&damaged).contains("checksum does not match"), "{}", said(&damaged));
    bytes[8] = 9;
    std::fs::write(&path, &bytes).unwrap();
    let newer = breakwater(cache.path(), &["db", "verify"]).await;
    assert!(
        said(&newer).contains("format 9") && said(&newer).contains("update breakwater"),
        "{}",
        said(&newer)
    );
}
