use breakwater_core::{inventory::Unanalysed, printable};

use super::LanguagePackage;
use crate::limits::{MAX_PATH, MAX_UNREAD};

/// What one file tells of a language's packages, and what of it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    pub packages: Vec<LanguagePackage>,
    /// Why, by the place within the file; empty for the file itself.
    pub unread: Vec<Unanalysed>,
}

impl Listing {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.unread.is_empty()
    }

    /// Says that what lies at `within` is not read; the last of [`MAX_UNREAD`] stands for all others.
    pub(super) fn leave_out(&mut self, within: &str, reason: &str) {
        let entry = match self.unread.len() {
            kept if kept + 1 < MAX_UNREAD => {
                Unanalysed { path: printable::line(within, MAX_PATH), reason: reason.to_owned() }
            }
            kept if kept < MAX_UNREAD => Unanalysed {
                path: String::new(),
                reason: "more of its contents are not read, for several reasons".into(),
            },
            _ => return,
        };
        self.unread.push(entry);
    }
}

impl From<Vec<LanguagePackage>> for Listing {
    fn from(packages: Vec<LanguagePackage>) -> Self {
        Self { packages, unread: Vec::new() }
    }
}
