use std::{borrow::Borrow, collections::HashSet, hash::Hash, sync::Arc};

/// Equal values kept once: pods of one template differ in name and node only.
#[derive(Debug)]
pub(super) struct Shared<T: ?Sized + Hash + Eq> {
    values: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized + Hash + Eq> Default for Shared<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), sweep_at: 1024 }
    }
}

impl<T: ?Sized + Hash + Eq> Shared<T> {
    pub(super) fn share<V: Borrow<T> + Into<Arc<T>>>(&mut self, value: V) -> Arc<T> {
        if let Some(known) = self.values.get(value.borrow()) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = self.values.len().saturating_mul(2).max(1024);
        }
        let value: Arc<T> = value.into();
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_forgotten_ones_are_swept() {
        let mut shared = Shared::<str>::default();
        let kept = shared.share("a".to_owned());
        assert!(Arc::ptr_eq(&kept, &shared.share("a".to_owned())));
        for n in 0..5_000 {
            shared.share(n.to_string());
        }
        assert!(shared.values.len() <= 1_025, "{}", shared.values.len());
        assert!(Arc::ptr_eq(&kept, &shared.share("a".to_owned())));
    }
}
