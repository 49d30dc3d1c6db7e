use super::problem::{Fault, Problem, Problems};

/// Problems as they are found.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Problem>);

impl Report {
    pub(super) fn say(&mut self, path: impl Into<String>, fault: impl Into<Fault>) {
        self.0.push(Problem { path: path.into(), fault: fault.into() });
    }

    /// The value, or a word about why there is none.
    pub(super) fn take<T, E: Into<Fault>>(&mut self, path: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|fault| self.say(path, fault)).ok()
    }

    /// Each item of a list by `read`, those that cannot be read said and left out.
    pub(super) fn each<S, T, E: Into<Fault>>(
        &mut self,
        path: &str,
        items: &[S],
        read: impl Fn(&S) -> Result<T, E>,
    ) -> Vec<T> {
        items
            .iter()
            .enumerate()
            .filter_map(|(position, item)| self.take(&format!("{path}[{position}]"), read(item)))
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes up what `shape` found, except where more is known already about the same field.
    pub(super) fn add_shape(&mut self, shape: Report) {
        let known = self.0.len();
        for problem in shape.0 {
            if !self.0.iter().take(known).any(|other| other.path == problem.path) {
                self.0.push(problem);
            }
        }
    }

    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        self.0.sort_by(|a, b| a.path.cmp(&b.path));
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Problems(self.0)),
        }
    }
}
