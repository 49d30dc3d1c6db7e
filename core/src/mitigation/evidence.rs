use super::demand::Demand;
use crate::{
    Digest,
    workload::{ImageIdentity, Workload},
};

/// The most digests that one notice or latch is bound to. A workload in the middle of a roll-out runs two for each container.
const MAX_DIGESTS: usize = 64;

/// What the violating containers run: sorted, each once. An action is bound to these; another digest is another matter.
pub(super) fn digests(workload: &Workload, demand: &Demand) -> Vec<Digest> {
    let violates = |name: &String| demand.containers.contains(name);
    let mut digests: Vec<Digest> = workload
        .running
        .iter()
        .filter(|image| violates(&image.container))
        .filter_map(|image| match &image.identity {
            ImageIdentity::Pullable { digest, .. } => Some(digest.clone()),
            ImageIdentity::Imported { config_digest } => Some(config_digest.clone()),
            ImageIdentity::Pending => None,
        })
        .collect();
    digests.sort_unstable();
    digests.dedup();
    digests.truncate(MAX_DIGESTS);
    digests
}
