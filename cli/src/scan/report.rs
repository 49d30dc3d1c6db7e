use breakwater_advisories::{Index, Matches};
use breakwater_core::Inventory;
use breakwater_core::policy::Verdict;

/// Everything one scan has to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) inventory: &'a Inventory,
    /// Absent: nothing was matched.
    pub(super) index: Option<&'a Index>,
    pub(super) matches: &'a Matches,
    /// Absent: no policy was given.
    pub(super) verdict: Option<&'a Verdict>,
}
