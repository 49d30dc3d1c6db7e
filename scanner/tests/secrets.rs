//! Secrets: what is found and what is not, on labelled texts; that no value ever leaves; that nothing is unbounded.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod support;

use std::{collections::BTreeSet, fs, path::Path, time::Instant};

use breakwater_core::Inventory;
use breakwater_scanner::secrets::{FoundSecret, SecretSearch};
use proptest::prelude::*;
use support::*;

struct Case {
    origin: String,
    path: String,
    text: String,
    /// `rule:line`
    found: BTreeSet<String>,
    missed: usize,
}

fn corpus(kind: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/secrets").join(kind);
    let mut cases = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let file = file.unwrap();
        let text = fs::read_to_string(file.path()).unwrap().replace("~~", "");
        for case in format!("\n{text}").split("\n=== ").skip(1) {
            let (head, text) = case.split_once('\n').unwrap();
            let mut words = head.split(' ');
            let path = words.next().unwrap().to_owned();
            let (missed, found): (Vec<&str>, Vec<&str>) = words.partition(|label| label.starts_with('?'));
            cases.push(Case {
                origin: format!("{kind}/{}: {path}", file.file_name().display()),
                path,
                text: text.to_owned(),
                found: found.into_iter().map(str::to_owned).collect(),
                missed: missed.len(),
            });
        }
    }
    cases
}

fn search(path: &str, text: &[u8], piece: usize) -> Vec<FoundSecret> {
    let mut search = SecretSearch::default();
    search.begin(path);
    for piece in text.chunks(piece) {
        if !search.push(piece) {
            break;
        }
    }
    search.finish()
}

#[test]
fn labelled_texts_are_told_apart() {
    let (positives, negatives) = (corpus("true"), corpus("false"));
    let (mut right, mut wrong, mut missed) = (0, 0, 0);
    let mut faults = Vec::new();
    for case in positives.iter().chain(&negatives) {
        let found: BTreeSet<String> = search(&case.path, case.text.as_bytes(), usize::MAX)
            .iter()
            .map(|secret| format!("{}:{}", secret.rule, secret.line))
            .collect();
        right += found.intersection(&case.found).count();
        wrong += found.difference(&case.found).count();
        missed += case.found.difference(&found).count() + case.missed;
        if found != case.found {
            faults.push(format!("{}: found {found:?}, labelled {:?}", case.origin, case.found));
        }
    }
    let share = |part: usize, rest: usize| 100.0 * part as f64 / (part + rest) as f64;
    println!(
        "{right} of {} secrets found, {wrong} found that are none, in {} + {} texts: precision {:.1} %, recall {:.1} %",
        right + missed,
        positives.len(),
        negatives.len(),
        share(right, wrong),
        share(right, missed)
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(right >= 60 && negatives.len() >= 100);
    assert!(share(right, wrong) >= 99.0 && share(right, missed) >= 90.0);
}

#[test]
fn every_rule_has_a_labelled_text() {
    let labelled: BTreeSet<String> = corpus("true")
        .iter()
        .flat_map(|case| case.found.iter().map(|label| label.split(':').next().unwrap().to_owned()))
        .collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/secrets");
    for file in ["clouds.rs", "forges.rs", "services.rs"] {
        for line in fs::read_to_string(source.join(file)).unwrap().lines() {
            if let Some(rule) = line.trim().strip_prefix("Token::new(\"") {
                let rule = rule.split('"').next().unwrap();
                assert!(labelled.contains(rule), "{rule} of {file}");
            }
        }
    }
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..3_000), 1..60),
        size in 1_usize..200_000,
    ) {
        let cases = corpus("true");
        let mut text = Vec::new();
        for (pick, gap) in picks {
            text.extend_from_slice(pick.get(&cases).text.as_bytes());
            text.extend(std::iter::repeat_n(b"some text\n", gap).flatten());
        }
        prop_assert_eq!(search("app/settings.env", &text, size), search("app/settings.env", &text, usize::MAX));
    }

    #[test]
    fn garbage_is_searched_without_a_panic(text in any::<Vec<u8>>(), size in 1_usize..64) {
        search("app/settings.env", &text, size);
    }
}

#[test]
fn a_line_without_end_is_bounded() {
    let started = Instant::now();
    let mut search = SecretSearch::default();
    search.begin("app/data.json");
    let token = ["gh", "p_", "Zq3Xv8LmT1Rk6Wn9Yb4Hc7Jd2Fs5Gp0AeUiO"].concat();
    let line = format!("{{\"token\":\"t\",\"url\":\"https://a/b\",\"n\":{:>200}}},", 1).repeat(64);
    for _ in 0..256 {
        assert!(search.push(line.as_bytes()));
        // What is held stays the same however long the line is.
        assert!(search.held_bytes() < 160 << 10, "{}", search.held_bytes());
    }
    search.push(token.as_bytes());
    let found = search.finish();
    assert_eq!(
        found.iter().map(|secret| (secret.rule, secret.line)).collect::<Vec<_>>(),
        [("github-token", 1)]
    );
    println!("{} MB in {:?}", (256 * line.len()) >> 20, started.elapsed());
}

#[test]
fn binaries_are_not_searched_and_lists_end() {
    let token = |n: usize| format!("gh{}p_Zq3Xv8LmT1Rk6Wn9Yb4Hc7Jd2Fs5Gp0{n:05}\n", "");
    assert_eq!(
        search("app/x.bin", [b"\x7fELF\0".as_slice(), token(1).as_bytes()].concat().as_slice(), 99),
        []
    );
    let many: String = (0..500).map(token).collect();
    assert_eq!(search("app/x.txt", many.as_bytes(), 1_000).len(), 100);
}

const CANARY: [&str; 2] = ["gh", "p_Zq3Xv8LmT1Rk6Wn9Yb4Hc7Jd2Fs5Gp0AeUiO"];
const PASSWORD: &str = "n7Yw!kQ2vPz4";

async fn canary_image() -> Inventory {
    let token = CANARY.concat();
    let layers = [
        tar(&[
            ("app/.env", format!("TOKEN={token}\nDB_PASSWORD={PASSWORD}\n").as_bytes()),
            ("app/kept.env", format!("TOKEN={token}\n").as_bytes()),
            (&format!("data/{token}.env"), format!("TOKEN={token}\n").as_bytes()),
            (
                "app/node_modules/a/package.json",
                format!(r#"{{"name":"a","version":"1","x":"{token}"}}"#).as_bytes(),
            ),
        ]),
        tar(&[("app/.wh..env", b"")]),
    ];
    let tars = layers.iter().map(|tar| (tar.clone(), gzip(tar))).collect::<Vec<_>>();
    let config = serde_json::json!({
        "Env": [format!("GIT_TOKEN={token}"), format!("MYSQL_PASSWORD={PASSWORD}"), "PATH=/bin"],
        "Labels": {"note": format!("clone with {token}"), "db.password": PASSWORD},
        "Entrypoint": ["/app", "--password", PASSWORD],
        "Cmd": [format!("--token={token}")],
    });
    let history = serde_json::json!([
        {"created_by": format!("ARG TOKEN={token}"), "empty_layer": true},
        {"created_by": format!("RUN |1 DB_PASSWORD={PASSWORD} /bin/sh -c git clone https://x:{token}@github.com/a/b")},
        {"created_by": "RUN rm app/.env"},
    ]);
    let image = image_with(&tars, "amd64", &config, &history);
    scan(&Server::of(image).await).await.unwrap().remove(0)
}

#[tokio::test]
async fn no_value_leaves() {
    let inventory = canary_image().await;
    let json = serde_json::to_string(&inventory).unwrap();
    for value in [CANARY.concat().as_str(), CANARY[1], PASSWORD] {
        assert!(!json.contains(value), "{json}");
    }
    let found: BTreeSet<(&str, &str)> =
        inventory.secrets.iter().map(|secret| (secret.rule.as_str(), secret.path.as_str())).collect();
    for place in [
        ("github-token", "app/.env"),
        ("password-assignment", "app/.env"),
        ("github-token", "app/kept.env"),
        ("github-token", "app/node_modules/a/package.json"),
        ("github-token", "data/….env"),
        ("github-token", "config:env:GIT_TOKEN"),
        ("password-assignment", "config:env:MYSQL_PASSWORD"),
        ("github-token", "config:label:note"),
        ("password-assignment", "config:label:db.password"),
        ("password-assignment", "config:entrypoint"),
        ("github-token", "config:cmd"),
        ("github-token", "config:history:0"),
        ("github-token", "config:history:1"),
    ] {
        assert!(found.contains(&place), "{place:?} in {found:?}");
    }
    assert_eq!(inventory.config.entrypoint, ["/app", "--password", "…"]);
    assert_eq!(inventory.config.env, ["GIT_TOKEN", "MYSQL_PASSWORD", "PATH"]);
}

#[tokio::test]
async fn one_token_has_one_fingerprint_and_passwords_have_their_places() {
    let inventory = canary_image().await;
    let of = |rule: &str| {
        let secrets = inventory.secrets.iter().filter(|secret| secret.rule == rule);
        secrets.map(|secret| secret.fingerprint.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("github-token").iter().collect::<BTreeSet<_>>().len(), 1);
    let passwords = of("password-assignment");
    assert_eq!(passwords.iter().collect::<BTreeSet<_>>().len(), passwords.len());
}

#[tokio::test]
async fn what_a_layer_removes_is_still_found() {
    let inventory = canary_image().await;
    let secret = |path: &str| inventory.secrets.iter().find(|secret| secret.path == path).unwrap();
    let (gone, kept) = (secret("app/.env"), secret("app/kept.env"));
    assert!(gone.deleted && !kept.deleted);
    assert_eq!(gone.layer.as_ref(), Some(&inventory.layers[0].digest));
    assert_eq!(secret("config:cmd").layer, None);
}
