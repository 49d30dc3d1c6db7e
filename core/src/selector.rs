use std::collections::BTreeMap;

/// A label selector (`metav1.LabelSelector`): all requirements hold. Without any it selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(pub Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    In { key: String, values: Vec<String> },
    NotIn { key: String, values: Vec<String> },
    Exists { key: String },
    DoesNotExist { key: String },
}

impl LabelSelector {
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In { key, values } => labels.get(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn { key, values } => {
                !labels.get(key).is_some_and(|value| values.contains(value))
            }
            Requirement::Exists { key } => labels.contains_key(key),
            Requirement::DoesNotExist { key } => !labels.contains_key(key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_label_is_not_in_any_set() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let one = |requirement| LabelSelector(vec![requirement]).matches(&labels);
        assert!(one(Requirement::In { key: "a".into(), values: vec!["1".into()] }));
        assert!(!one(Requirement::In { key: "b".into(), values: vec!["1".into()] }));
        assert!(one(Requirement::NotIn { key: "b".into(), values: vec!["1".into()] }));
        assert!(!one(Requirement::NotIn { key: "a".into(), values: vec!["1".into()] }));
        assert!(
            one(Requirement::Exists { key: "a".into() })
                && one(Requirement::DoesNotExist { key: "b".into() })
        );
        assert!(LabelSelector::default().matches(&BTreeMap::new()));
    }
}
