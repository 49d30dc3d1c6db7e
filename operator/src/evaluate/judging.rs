use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use breakwater_core::{
    ImageReference, Platform,
    policy::{Compliance, ImageFacts, ImageUnderTest, Verdict},
    workload::{Workload, WorkloadRef},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ImageOnPlatform, JudgedWorkload, PolicyChange, PolicySet, PolicyStore, Update, Verdicts,
    images_under_test,
    inputs::{self, TagOf},
    memo::Memo,
};
use crate::{changes::Changed, context::Context, inventory::Images, workloads::Workloads};

/// Changes within this time are judged together: a roll-out is a burst of events.
const SETTLE: Duration = Duration::from_millis(50);
/// The longest sleep: a clock may be set.
const MAX_SLEEP: TimeDelta = TimeDelta::minutes(10);
/// The longest that judging keeps a thread before others may run.
const SLICE: Duration = Duration::from_millis(5);
/// Verdicts are published after so many workloads, unless a policy changed: then all at once.
const BATCH: usize = 200;

/// What judging reads, at one moment.
pub(super) struct Inputs<'a> {
    pub(super) policies: &'a PolicySet,
    pub(super) workloads: Vec<Arc<Workload>>,
    pub(super) platforms: Vec<Platform>,
    pub(super) facts_of: &'a (dyn Fn(&ImageOnPlatform) -> ImageFacts + Send + Sync),
    /// Resolves a tag for a namespace.
    pub(super) tag_of: &'a TagOf<'a>,
    /// Whether a newer index was used before: verdicts are shown, and neither mitigate nor restore.
    pub(super) is_behind: bool,
}

/// What happened since the last pass. Workloads are compared by address.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) policies: Option<Changed<String>>,
    pub(super) images: bool,
}

/// What was judged, and what is to be judged again.
#[derive(Debug, Default)]
pub(super) struct Judging {
    rows: BTreeMap<WorkloadRef, Row>,
    /// When verdicts may change by time.
    due: BTreeSet<(DateTime<Utc>, WorkloadRef)>,
    memo: Memo,
    /// UIDs of the policies that were judged by.
    known: BTreeSet<String>,
    was_behind: bool,
    platforms: Vec<Platform>,
}

#[derive(Debug)]
struct Row {
    workload: Arc<Workload>,
    /// What was known of its images.
    facts: Vec<ImageFacts>,
    verdicts: BTreeMap<String, Arc<Verdict>>,
    due: Option<DateTime<Utc>>,
}

/// Which policies judge a workload again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    All,
    These(BTreeSet<String>),
}

/// One pass over what changed.
#[derive(Debug)]
pub(super) struct Pass {
    queue: BTreeMap<WorkloadRef, (Scope, bool)>,
    update: Update,
    is_atomic: bool,
}

impl Judging {
    /// Decides which pairs are judged again.
    pub(super) fn begin(&mut self, inputs: &Inputs<'_>, happened: &Happened, now: DateTime<Utc>) -> Pass {
        let mut pass = Pass { queue: BTreeMap::new(), update: Update::default(), is_atomic: false };
        let everything = inputs.is_behind != self.was_behind || inputs.platforms != self.platforms;
        (self.was_behind, self.platforms) = (inputs.is_behind, inputs.platforms.clone());
        self.take_in_workloads(inputs, &mut pass);
        if let Some(changed) = &happened.policies {
            self.take_in_policies(inputs, changed, &mut pass);
        }
        if everything {
            self.rows.keys().for_each(|id| pass.add(id, Scope::All, true));
        } else if happened.images {
            for (id, row) in &self.rows {
                let images =
                    images_under_test(&row.workload, &inputs.platforms, inputs.facts_of, inputs.tag_of);
                if !has_same_facts(&row.facts, &images) {
                    pass.add(id, Scope::All, true);
                }
            }
        }
        let due: Vec<WorkloadRef> =
            self.due.iter().take_while(|(time, _)| *time <= now).map(|(_, id)| id.clone()).collect();
        due.iter().for_each(|id| pass.add(id, Scope::All, false));
        if happened.images || happened.policies.is_some() {
            self.memo.forget_gone();
        }
        pass
    }

    fn take_in_workloads(&mut self, inputs: &Inputs<'_>, pass: &mut Pass) {
        let mut before = std::mem::take(&mut self.rows);
        for workload in &inputs.workloads {
            let row = match before.remove(&workload.id) {
                Some(row) if Arc::ptr_eq(&row.workload, workload) => row,
                Some(row) => {
                    let touches = row.workload.running != workload.running
                        || is_idle(&row.workload) != is_idle(workload);
                    pass.add(&workload.id, Scope::All, touches);
                    Row { workload: Arc::clone(workload), ..row }
                }
                None => {
                    pass.add(&workload.id, Scope::All, true);
                    Row {
                        workload: Arc::clone(workload),
                        facts: Vec::new(),
                        verdicts: BTreeMap::new(),
                        due: None,
                    }
                }
            };
            self.rows.insert(workload.id.clone(), row);
        }
        for (id, row) in before {
            if let Some(due) = row.due {
                self.due.remove(&(due, id.clone()));
            }
            pass.update.workloads.insert(id, None);
        }
    }

    fn take_in_policies(&mut self, inputs: &Inputs<'_>, changed: &Changed<String>, pass: &mut Pass) {
        let all: BTreeSet<String> = inputs.policies.all().map(|(uid, _)| uid.to_owned()).collect();
        let changed: BTreeSet<String> = match changed {
            Changed::These(uids) => uids.clone(),
            Changed::All => self.known.union(&all).cloned().collect(),
        };
        if changed.is_empty() {
            return;
        }
        pass.is_atomic = true;
        for uid in &changed {
            let change = match inputs.policies.get(uid) {
                Some(stored) => PolicyChange::Set(stored.policy().cloned()),
                None => PolicyChange::Deleted,
            };
            pass.update.policies.insert(uid.clone(), change);
        }
        for (id, row) in &self.rows {
            let selecting = inputs.policies.selecting(&row.workload).map(|stored| stored.uid().to_owned());
            let concerned: BTreeSet<String> =
                selecting.chain(row.verdicts.keys().cloned()).filter(|uid| changed.contains(uid)).collect();
            if !concerned.is_empty() {
                pass.add(id, Scope::These(concerned), false);
            }
        }
        self.known = all;
    }

    /// Judges the next workload of the pass. `false`: there is none left.
    pub(super) fn step(&mut self, inputs: &Inputs<'_>, pass: &mut Pass, now: DateTime<Utc>) -> bool {
        let Some((id, (scope, touches))) = pass.queue.pop_first() else { return false };
        let Some(row) = self.rows.get_mut(&id) else { return true };
        let workload = Arc::clone(&row.workload);
        let images = images_under_test(&workload, &inputs.platforms, inputs.facts_of, inputs.tag_of);
        row.facts = images.iter().map(|(image, _)| image.facts.clone()).collect();
        let mut verdicts = match &scope {
            Scope::All => BTreeMap::new(),
            Scope::These(uids) => {
                let others = row.verdicts.iter().filter(|(uid, _)| !uids.contains(*uid));
                others.map(|(uid, verdict)| (uid.clone(), Arc::clone(verdict))).collect()
            }
        };
        let is_concerned = |uid: &str| match &scope {
            Scope::All => true,
            Scope::These(uids) => uids.contains(uid),
        };
        // Nothing of a finished Job runs again.
        let policies = inputs.policies.selecting(&workload).filter(|_| !workload.finished);
        for stored in policies.filter(|stored| is_concerned(stored.uid())) {
            let Some(judge) = stored.audits() else { continue };
            let selector = &judge.policy().selector;
            let selected: Vec<&ImageUnderTest<'_>> =
                images.iter().map(|(image, _)| image).filter(|i| selector.selects_image(&i.name())).collect();
            if selected.is_empty() {
                continue;
            }
            let parts: Vec<_> = selected
                .into_iter()
                .map(|image| (image.container_name(), self.memo.judge(judge, image, &workload.id, now)))
                .collect();
            let mut verdict = Verdict::of(parts.iter().map(|(container, part)| (*container, part.as_ref())));
            if inputs.is_behind {
                (verdict.compliance, verdict.is_complete) = (Compliance::Unknown, false);
            }
            let before = row.verdicts.get(stored.uid()).filter(|before| ***before == verdict);
            let verdict = before.map_or_else(|| Arc::new(verdict), Arc::clone);
            verdicts.insert(stored.uid().to_owned(), verdict);
        }
        let due = verdicts.values().filter_map(|verdict| verdict.changes_at).min();
        if row.due != due {
            row.due.map(|time| self.due.remove(&(time, id.clone())));
            due.map(|time| self.due.insert((time, id.clone())));
        }
        (row.verdicts, row.due) = (verdicts.clone(), due);
        if touches {
            pass.update.touched.extend(verdicts.keys().cloned());
        }
        pass.update.workloads.insert(id, Some(JudgedWorkload { workload, verdicts }));
        true
    }

    /// When a verdict may change though nothing else does.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.due.first().map(|(time, _)| *time)
    }
}

impl Pass {
    fn add(&mut self, id: &WorkloadRef, scope: Scope, touches: bool) {
        match self.queue.get_mut(id) {
            Some((known, touched)) => {
                *touched |= touches;
                match (known, scope) {
                    (Scope::These(known), Scope::These(more)) => known.extend(more),
                    (known, Scope::All) => *known = Scope::All,
                    (Scope::All, Scope::These(_)) => {}
                }
            }
            None => _ = self.queue.insert(id.clone(), (scope, touches)),
        }
    }

    /// Returns what may be published: all of it at the end, in batches before it where no policy changed.
    pub(super) fn publishable(&mut self) -> Option<Update> {
        let is_done = self.queue.is_empty();
        let is_full = !self.is_atomic && self.update.workloads.len() >= BATCH;
        (is_done || is_full).then(|| std::mem::take(&mut self.update))
    }

    /// The workloads that are still to be judged.
    #[cfg(test)]
    pub(super) fn workloads(&self) -> Vec<String> {
        self.queue.keys().map(ToString::to_string).collect()
    }

    /// The number of workloads that are still to be judged.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// Reports whether nothing of it runs.
fn is_idle(workload: &Workload) -> bool {
    workload.running.is_empty() && workload.running_pods == 0
}

fn has_same_facts(known: &[ImageFacts], images: &[(ImageUnderTest<'_>, Option<ImageOnPlatform>)]) -> bool {
    known.len() == images.len()
        && known.iter().zip(images).all(|(known, (image, _))| inputs::is_same(known, &image.facts))
}

/// Judges while the process lives, once policies, workloads and images are known.
pub(super) async fn run(
    context: Context,
    policies: PolicyStore,
    workloads: Workloads,
    images: Images,
    verdicts: Arc<Verdicts>,
) {
    policies.ready().await;
    workloads.ready().await;
    images.ready().await;
    let mut policies_changed = policies.subscribe();
    let mut wake = (workloads.changed(), images.changed());
    let mut judging = Judging::default();
    let mut happened = Happened { policies: policies_changed.take(), images: true };
    loop {
        let _ = (wake.0.borrow_and_update(), wake.1.borrow_and_update());
        let set = policies.set();
        let facts_of = |(identity, platform): &ImageOnPlatform| images.facts(identity, platform);
        let tag_of = |namespace: &str, image: &ImageReference, platform: &Platform| {
            images.tag(namespace, image, platform)
        };
        let inputs = Inputs {
            policies: &set,
            workloads: workloads.all(),
            platforms: workloads.platforms(),
            facts_of: &facts_of,
            tag_of: &tag_of,
            is_behind: images.index().is_behind(),
        };
        let now = context.clock.now();
        let mut pass = judging.begin(&inputs, &happened, now);
        let (mut slice, pairs) = (context.clock.monotonic(), pass.len());
        while judging.step(&inputs, &mut pass, now) {
            if let Some(update) = pass.publishable() {
                verdicts.apply(update);
            }
            if context.clock.monotonic().saturating_duration_since(slice) >= SLICE {
                tokio::task::yield_now().await;
                slice = context.clock.monotonic();
            }
        }
        if let Some(update) = pass.publishable() {
            verdicts.apply(update);
        }
        verdicts.set_complete();
        tracing::debug!(workloads = pairs, "judged");
        let sleep =
            judging.next_due().map_or(MAX_SLEEP, |due| (due - now).clamp(TimeDelta::zero(), MAX_SLEEP));
        happened = Happened { policies: None, images: false };
        tokio::select! {
            () = tokio::time::sleep(sleep.to_std().unwrap_or_default()) => {}
            changed = policies_changed.next() => happened.policies = Some(changed),
            outcome = wake.0.changed() => if outcome.is_err() { return },
            outcome = wake.1.changed() => {
                if outcome.is_err() {
                    return;
                }
                happened.images = true;
            }
        }
        tokio::time::sleep(SETTLE).await;
        happened.images |= wake.1.has_changed().unwrap_or_default();
        // Taken before the set is read: what changes after is published again.
        let more = policies_changed.take();
        happened.policies = match (happened.policies, more) {
            (Some(Changed::These(mut uids)), Some(Changed::These(more))) => {
                uids.extend(more);
                Some(Changed::These(uids))
            }
            (Some(Changed::All), _) | (_, Some(Changed::All)) => Some(Changed::All),
            (changed, more) => changed.or(more),
        };
    }
}
