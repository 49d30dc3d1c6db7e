//! A status that is too large is refused by the API server as a whole, and then nobody learns anything. So it is cut first.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{ImagePolicyStatus, RuntimeBaselineStatus, ScanJobStatus, validation::shape};

/// The largest status, in bytes of JSON.
pub const MAX_STATUS: usize = 100 << 10;

impl ImagePolicyStatus {
    /// The same, cut to the bounds of the schema and to [`MAX_STATUS`]; `truncated` says if anything had to go.
    #[must_use]
    pub fn fitted(self) -> Self {
        fit("ImagePolicy", self)
    }
}

impl ScanJobStatus {
    /// The same, cut to the bounds of the schema and to [`MAX_STATUS`]; `truncated` says if anything had to go.
    #[must_use]
    pub fn fitted(self) -> Self {
        fit("ScanJob", self)
    }
}

impl RuntimeBaselineStatus {
    /// The same, cut to the bounds of the schema and to [`MAX_STATUS`]; `truncated` says if anything had to go.
    #[must_use]
    pub fn fitted(self) -> Self {
        fit("RuntimeBaseline", self)
    }
}

fn fit<S: Serialize + DeserializeOwned>(kind: &str, status: S) -> S {
    let Ok(mut value) = serde_json::to_value(&status) else { return status };
    let mut cut = shape::cut_status(kind, &mut value);
    while size(&value) > MAX_STATUS && halve_largest_list(&mut value) {
        cut = true;
    }
    if !cut {
        return status;
    }
    if let Value::Object(fields) = &mut value {
        fields.insert("truncated".into(), Value::Bool(true));
    }
    serde_json::from_value(value).unwrap_or(status)
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// Takes away the second half, which is the less urgent one: every list is sorted. Conditions stay.
fn halve_largest_list(status: &mut Value) -> bool {
    let mut lists = Vec::new();
    collect(status, &mut lists);
    match lists.into_iter().filter(|(_, list)| !list.is_empty()).max_by_key(|(size, _)| *size) {
        Some((_, list)) => {
            list.truncate(list.len() / 2);
            true
        }
        None => false,
    }
}

/// Lists of the status itself and of the structs in it, with their sizes; not lists in lists.
fn collect<'a>(value: &'a mut Value, lists: &mut Vec<(usize, &'a mut Vec<Value>)>) {
    let Value::Object(fields) = value else { return };
    for (_, field) in fields.iter_mut().filter(|(name, _)| *name != "conditions") {
        let size = size(field);
        match field {
            Value::Array(items) => lists.push((size, items)),
            Value::Object(_) => collect(field, lists),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        ScanJobStatus,
        scanjob::{FindingEntry, ImageEntry, ScanResult},
    };

    use super::*;

    fn finding(length: usize) -> FindingEntry {
        FindingEntry { id: "CVE-2024-3094".into(), package: "ü".repeat(length), ..FindingEntry::default() }
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let status = ScanJobStatus {
            result: Some(ScanResult::Passed),
            top_findings: vec![finding(10); 50],
            ..ScanJobStatus::default()
        };
        assert_eq!(status.clone().fitted(), status);
    }

    #[test]
    fn the_worst_is_cut_and_says_so() {
        let long = || Some("ü".repeat(10_000));
        let entry = FindingEntry { path: long(), fixed: long(), suppressed_by: long(), ..finding(10_000) };
        let image = ImageEntry { image: "ü".repeat(10_000), digest: long(), ..ImageEntry::default() };
        let status = ScanJobStatus {
            total_findings: Some(20_000),
            top_findings: vec![entry; 2_000],
            images: vec![image; 1_000],
            ..ScanJobStatus::default()
        };
        let fitted = status.fitted();
        assert!(fitted.truncated && !fitted.top_findings.is_empty() && !fitted.images.is_empty());
        assert_eq!(fitted.total_findings, Some(20_000));
        assert!(size(&serde_json::to_value(&fitted).unwrap()) <= MAX_STATUS);
        assert_eq!(fitted.top_findings[0].package.chars().count(), 128);
    }
}
