//! Programs that know credentials: docker's helpers and the kubelet's providers, as scripts that behave and that do not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use breakwater_core::ImageReference;
use breakwater_scanner::registry::{Credential, Credentials, Providers, RegistryError, Secret};
use serde_json::json;

fn script(directory: &Path, name: &str, body: &str) {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn password(username: &str, password: &str) -> Credential {
    Credential::Password { username: username.into(), password: Secret::new(password) }
}

fn image(name: &str) -> ImageReference {
    name.parse().unwrap()
}

/// Helpers are found on `PATH`, which a test cannot set for itself: it runs the test below again, with another one.
#[test]
fn helpers_are_asked_by_dockers_protocol() {
    let directory = tempfile::tempdir().unwrap();
    script(
        directory.path(),
        "docker-credential-good",
        r#"[ "$1" = get ] && read -r server; printf '{"ServerURL":"%s","Username":"user of %s","Secret":"canary"}' "$server" "$server""#,
    );
    script(
        directory.path(),
        "docker-credential-token",
        r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"canary"}'"#,
    );
    script(
        directory.path(),
        "docker-credential-none",
        "echo 'credentials not found in native keychain'; exit 1",
    );
    script(directory.path(), "docker-credential-broken", "echo 'canary'; exit 1");
    script(directory.path(), "docker-credential-babbling", "echo canary");
    script(directory.path(), "docker-credential-endless", "while :; do echo canarycanarycanarycanary; done");
    let path = format!("{}:/usr/bin:/bin", directory.path().display());
    let outcome = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "with_helpers_on_the_path"])
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("1 passed"));
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn with_helpers_on_the_path() {
    let file = json!({
        "auths": {"good.test": {}, "none.test": {"auth": "YTpi"}, "marked.test": {}, "file.test/team": {"auth": "YTpi"}},
        "credHelpers": {"good.test": "good", "https://index.docker.io/v1/": "good", "token.test": "token", "none.test": "none",
            "marked.test": "none", "broken.test": "broken", "babbling.test": "babbling", "endless.test": "endless",
            "missing.test": "missing", "wild.test": "../../bin/sh", "upper.test": "Good", "empty.test": ""},
    });
    let ask = async |name: &str| {
        let credentials =
            Credentials::parse(file.to_string().as_bytes()).unwrap().with_helper(&image(name)).await?;
        credentials.for_repository(&image(name))
    };
    assert_eq!(ask("good.test/a").await.unwrap(), Some(password("user of good.test", "canary")));
    assert_eq!(ask("nginx").await.unwrap(), Some(password("user of https://index.docker.io/v1/", "canary")));
    assert_eq!(ask("token.test/a").await.unwrap(), Some(Credential::IdentityToken(Secret::new("canary"))));
    assert_eq!(ask("none.test/a").await.unwrap(), Some(password("a", "b")), "the file's entry");
    assert_eq!(ask("marked.test/a").await.unwrap(), None, "anonymous");
    assert_eq!(ask("file.test/team/a").await.unwrap(), Some(password("a", "b")), "no helper at all");
    for bad in ["broken", "babbling", "endless", "missing", "wild", "upper", "empty"] {
        let error = ask(&format!("{bad}.test/a")).await.unwrap_err();
        assert!(matches!(error, RegistryError::CredentialsInvalid(_)), "{bad}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{bad}");
    }
    let store = Credentials::parse(br#"{"credsStore": "good"}"#)
        .unwrap()
        .with_helper(&image("any.test/a"))
        .await
        .unwrap();
    assert_eq!(
        store.for_repository(&image("any.test/a")).unwrap(),
        Some(password("user of any.test", "canary"))
    );
    assert_eq!(
        store.for_repository(&image("other.test/a")).unwrap(),
        None,
        "what was asked for one host is for that one"
    );
}

const CONFIG: &str = "
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - {name: silent, apiVersion: credentialprovider.kubelet.k8s.io/v1, matchImages: ['*.good.test'], defaultCacheDuration: 1m}
  - name: good
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: ['*.good.test', 'port.test:5000']
    defaultCacheDuration: 12h
    args: [--region, eu]
    env: [{name: MOOD, value: sunny}]
  - {name: broken, apiVersion: credentialprovider.kubelet.k8s.io/v1, matchImages: [broken.test], defaultCacheDuration: 1m}
  - {name: old, apiVersion: credentialprovider.kubelet.k8s.io/v1, matchImages: [old.test], defaultCacheDuration: 1m}
  - {name: missing, apiVersion: credentialprovider.kubelet.k8s.io/v1, matchImages: [missing.test], defaultCacheDuration: 1m}
";

#[tokio::test]
async fn providers_are_asked_by_the_kubelets_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let answer = |auth: &str| {
        format!(
            r#"'{{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderResponse","cacheKeyType":"Registry","auth":{auth}}}'"#
        )
    };
    script(directory.path(), "silent", &format!("echo {}", answer("{}")));
    let auth = r#"{"*.good.test":{"username":"wide","password":"x"},"a.good.test/team":{"username":"near","password":"canary"},"other.test":{"username":"other","password":"x"}}"#;
    let told = directory.path().join("told");
    script(
        directory.path(),
        "good",
        &format!("echo \"$1 $2 $MOOD\" > {0}; cat >> {0}; echo {1}", told.display(), answer(auth)),
    );
    script(directory.path(), "broken", "echo canary; exit 1");
    script(
        directory.path(),
        "old",
        r#"echo '{"apiVersion":"credentialprovider.kubelet.k8s.io/v1alpha1","auth":{"old.test":{"username":"u","password":"canary"}}}'"#,
    );
    let providers = Providers::parse(CONFIG.as_bytes(), directory.path().to_owned()).unwrap();
    let ask = async |name: &str| {
        Credentials::none().with_providers(&providers, &image(name)).await?.for_repository(&image(name))
    };
    assert_eq!(ask("a.good.test/team/app:1").await.unwrap(), Some(password("near", "canary")));
    let told = fs::read_to_string(told).unwrap();
    let (arguments, request) = told.split_once('\n').unwrap();
    assert_eq!(arguments, "--region eu sunny");
    let request: serde_json::Value = serde_json::from_str(request).unwrap();
    assert_eq!(
        request,
        json!({"apiVersion": "credentialprovider.kubelet.k8s.io/v1", "kind": "CredentialProviderRequest", "image": "a.good.test/team/app:1"})
    );
    assert_eq!(ask("b.good.test/app").await.unwrap(), Some(password("wide", "x")));
    assert_eq!(ask("port.test:5000/app").await.unwrap(), None, "an answer for other registries");
    assert_eq!(ask("nobody.test/app").await.unwrap(), None, "anonymous");
    for bad in ["broken.test/a", "old.test/a", "missing.test/a"] {
        let error = ask(bad).await.unwrap_err();
        assert!(matches!(error, RegistryError::CredentialsInvalid(_)), "{bad}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{bad}");
    }
    let own = Credentials::parse(br#"{"auths": {"a.good.test": {"auth": "YTpi"}}}"#).unwrap();
    let own = own.with_providers(&providers, &image("a.good.test/team/app")).await.unwrap();
    assert_eq!(own.for_repository(&image("a.good.test/team/app")).unwrap(), Some(password("a", "b")));
}

#[test]
fn provider_configurations_that_are_none() {
    let one = |name: &str, version: &str| {
        format!(
            "kind: CredentialProviderConfig\nproviders: [{{name: '{name}', apiVersion: {version}, matchImages: [a.test]}}]"
        )
    };
    for bad in [
        "".to_owned(),
        "kind: Pod".to_owned(),
        "kind: [".to_owned(),
        one("../sh", "credentialprovider.kubelet.k8s.io/v1"),
        one("..", "credentialprovider.kubelet.k8s.io/v1"),
        one("", "credentialprovider.kubelet.k8s.io/v1"),
        one("good", "credentialprovider.kubelet.k8s.io/v9"),
    ] {
        assert!(Providers::parse(bad.as_bytes(), "/".into()).is_err(), "{bad}");
    }
    assert!(
        Providers::parse(one("good", "credentialprovider.kubelet.k8s.io/v1").as_bytes(), "/".into()).is_ok()
    );
}
