#![no_main]
//! A status is cut until the API server takes it; what was cut once fits. Lists are made forty times as long, those in lists eight times,
//! and texts that begin with `~` two hundred times: no input is as large as what has to be cut.
use std::fmt::Debug;

use breakwater_crds::{ImagePolicyStatus, MAX_STATUS, RuntimeBaselineStatus, ScanJobStatus};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn grow(value: &mut Value, times: usize) {
    match value {
        Value::String(text) if text.starts_with('~') => *text = text.repeat(200),
        Value::Array(items) => {
            items.iter_mut().for_each(|item| grow(item, times / 5));
            *items = vec![std::mem::take(items); times.max(1)].concat();
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| grow(field, times)),
        _ => {}
    }
}

fn check<S>(status: &Value, fitted: impl Fn(S) -> S)
where
    S: Clone + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let Ok(status) = S::deserialize(status) else { return };
    let cut = fitted(status);
    let written = serde_json::to_string(&cut).unwrap();
    assert!(written.len() <= MAX_STATUS, "{} bytes", written.len());
    assert_eq!(serde_json::from_str::<S>(&written).unwrap(), cut);
    assert_eq!(fitted(cut.clone()), cut);
}

libfuzzer_sys::fuzz_target!(|json: &[u8]| {
    let Ok(mut status) = serde_json::from_slice::<Value>(json) else { return };
    grow(&mut status, 40);
    check(&status, ImagePolicyStatus::fitted);
    check(&status, ScanJobStatus::fitted);
    check(&status, RuntimeBaselineStatus::fitted);
});
