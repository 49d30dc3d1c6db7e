//! What goes wrong between a client and the server, by a plan that a seed makes repeatable.

use std::{fmt, time::Duration};

use crate::{
    api::FakeApi,
    call::{Request, Verb},
};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The connection ends before the server has heard.
    CutBeforeEffect,
    /// The server carries it out, and the connection ends before the answer.
    CutAfterEffect,
    /// As [`Effect::CutBeforeEffect`], but the client waits for ever: it ends by its own timeout, or is killed.
    HangBeforeEffect,
    /// As [`Effect::CutAfterEffect`], but the client waits for ever.
    HangAfterEffect,
    /// The connection ends, and the server carries it out when the test calls [`FakeApi::deliver_late`].
    Late,
    /// As [`Effect::Late`], but the client waits for ever.
    HangLate,
    /// The connection ends, and the server carries it out so much later by the runtime's clock.
    LateBy(Duration),
    /// It is carried out and answered, and once more at [`FakeApi::deliver_late`]: a proxy tried it again.
    Duplicated,
    /// The server answers with this code and does nothing.
    Answer(u16),
    /// The server carries it out and answers with this code: the answer was lost on its way through a proxy.
    AnswerAfterEffect(u16),
    /// A watch ends with the error 410 `Expired` at once; other requests are answered with 410.
    Expired,
    /// The server carries it out and answers 200 with a body that is no JSON.
    UnreadableBody,
}

/// Which requests are meant. Built by words: `Fault::on(Verb::Update, "deployments/web/scale").nth(2)`.
#[derive(Debug, Clone)]
pub struct Fault {
    verbs: Vec<Verb>,
    path: String,
    client: Option<String>,
    /// So many are let through first.
    skip: usize,
    /// So many are hit.
    times: usize,
    /// Of those that match: the share that is hit, 0 to 1.
    chance: f64,
}

impl Fault {
    /// The first request of this verb whose path contains `path`.
    #[must_use]
    pub fn on(verb: Verb, path: &str) -> Self {
        Self { verbs: vec![verb], path: path.into(), client: None, skip: 0, times: 1, chance: 1.0 }
    }

    /// The first request that may write and whose path contains `path`.
    #[must_use]
    pub fn on_write(path: &str) -> Self {
        let verbs = vec![Verb::Create, Verb::Update, Verb::Patch, Verb::Delete, Verb::DeleteCollection];
        Self { verbs, ..Self::on(Verb::Create, path) }
    }

    /// The first request of any verb whose path contains `path`.
    #[must_use]
    pub fn on_any(path: &str) -> Self {
        Self { verbs: vec![], ..Self::on(Verb::Get, path) }
    }

    /// Only those of the client of this name.
    #[must_use]
    pub fn from(mut self, client: &str) -> Self {
        self.client = Some(client.into());
        self
    }

    /// The n-th that matches, counted from 1 and from now.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// So many, one after the other.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// All that follow as well.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Each with this probability, from 0 to 1; all that match, unless `times` follows.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self.always()
    }

    fn matches(&self, request: &Request) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&request.verb))
            && request.path.contains(&self.path)
            && self.client.as_deref().is_none_or(|client| client == &*request.client)
            // Reviews are questions, whatever their method.
            && !(self.verbs.len() > 1 && request.is_review)
    }
}

/// What a test does right before a request is handled.
pub(crate) type Hook = Box<dyn FnOnce(&FakeApi) + Send>;

/// The faults that are planned, and the random numbers behind their chances.
#[derive(Default)]
pub(crate) struct Plan {
    faults: Vec<(Fault, Effect)>,
    hooks: Vec<(Fault, Option<Hook>)>,
    random: u64,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("faults", &self.faults).finish_non_exhaustive()
    }
}

impl Plan {
    pub(crate) fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    pub(crate) fn add(&mut self, fault: Fault, effect: Effect) {
        self.faults.push((fault, effect));
    }

    pub(crate) fn add_hook(&mut self, fault: Fault, hook: Hook) {
        self.hooks.push((fault, Some(hook)));
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
        self.hooks.clear();
    }

    /// The effect on a request: that of the first fault that hits it. All that match count it.
    pub(crate) fn effect(&mut self, request: &Request) -> Option<Effect> {
        let mut found = None;
        for (fault, effect) in &mut self.faults {
            if strikes(fault, request, &mut self.random) && found.is_none() {
                found = Some(effect.clone());
            }
        }
        self.faults.retain(|(fault, _)| fault.times > 0);
        found
    }

    pub(crate) fn hooks(&mut self, request: &Request) -> Vec<Hook> {
        let mut due = vec![];
        for (fault, hook) in &mut self.hooks {
            if strikes(fault, request, &mut self.random) {
                due.extend(hook.take());
            }
        }
        self.hooks.retain(|(_, hook)| hook.is_some());
        due
    }
}

fn strikes(fault: &mut Fault, request: &Request, random: &mut u64) -> bool {
    if fault.times == 0 || !fault.matches(request) {
        return false;
    }
    if fault.skip > 0 {
        fault.skip -= 1;
        return false;
    }
    let is_hit = fault.chance >= 1.0 || next(random) < fault.chance;
    if is_hit && fault.times != usize::MAX {
        fault.times -= 1;
    }
    is_hit
}

/// SplitMix64 (Steele, Lea, Flood 2014), as a number from 0 to 1.
fn next(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    f64::from(u32::try_from(z >> 32).unwrap()) / f64::from(u32::MAX)
}
