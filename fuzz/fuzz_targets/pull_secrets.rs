#![no_main]
//! Pull secrets of a tenant: of whatever they hold, nothing but the fields of the entries of the hosts that are asked leaves.
use std::collections::{BTreeMap, BTreeSet};

use breakwater_operator::controllers::scanjob::credentials::config_for;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::Value;

const HOST: &str = "registry.example.com";
const FIELDS: [&str; 5] = ["auth", "username", "password", "identitytoken", "registrytoken"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for key in [".dockerconfigjson", ".dockercfg"] {
        let data = Some(BTreeMap::from([(key.to_owned(), ByteString(bytes.to_vec()))]));
        let secret = Secret { data, ..Secret::default() };
        let Some(config) = config_for([&secret], &BTreeSet::from([HOST])) else { continue };
        let config: Value = serde_json::from_slice(&config).unwrap();
        let auths = config["auths"].as_object().unwrap();
        assert!(config.as_object().unwrap().len() == 1 && !auths.is_empty());
        for (of, entry) in auths {
            assert!(of.to_ascii_lowercase().contains(HOST), "{of}");
            assert!(entry.as_object().unwrap().keys().all(|field| FIELDS.contains(&field.as_str())));
        }
    }
});
