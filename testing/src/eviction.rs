//! `pods/eviction` (KEP-85): a deletion that disruption budgets may refuse.

use serde_json::json;

use crate::{
    call::{Call, Target},
    refusal::Refusal,
    state::{Answer, State},
    writes::check_preconditions,
};

impl State {
    pub(crate) fn evict(&mut self, call: &Call, target: &Target) -> Result<Answer, Refusal> {
        let options = &call.request.body["deleteOptions"];
        let live = self.stored(target)?.object.clone();
        check_preconditions(target, &options["preconditions"], &live)?;
        // Pods that ended, or are going already, disturb no budget.
        let is_ended = matches!(live["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let is_going = !live["metadata"]["deletionTimestamp"].is_null();
        if !is_ended
            && !is_going
            && let Some(left) = self.disruptions.get_mut(&target.namespace)
        {
            if *left == 0 {
                return Err(Refusal::disruption_budget(1));
            }
            *left -= 1;
        }
        let _ = self.let_go(&target.key(), options["gracePeriodSeconds"].as_u64());
        Ok((201, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})))
    }
}
