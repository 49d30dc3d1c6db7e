//! GET and LIST.

use std::ops::Bound;

use serde_json::{Value, json};

use crate::{
    call::{Call, Target},
    refusal::Refusal,
    selector::{matches_fields, matches_labels},
    state::{Answer, Key, State, key},
};

/// An object's metadata, as `as=PartialObjectMetadata` asks for it.
pub(crate) fn metadata_of(object: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]})
}

pub(crate) fn shown(call: &Call, object: &Value) -> Value {
    if call.metadata_only { metadata_of(object) } else { object.clone() }
}

impl State {
    pub(crate) fn read(&self, call: &Call, target: &Target) -> Result<Answer, Refusal> {
        Ok((200, shown(call, &self.stored(target)?.object)))
    }

    /// The keys of a collection that meet the call's selectors.
    pub(crate) fn selected<'a>(
        &'a self,
        call: &'a Call,
        target: &'a Target,
    ) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        let (labels, fields) = (call.query("labelSelector"), call.query("fieldSelector"));
        let id = (target.kind.group, target.kind.plural);
        self.objects
            .range(key(&target.kind, &target.namespace, "")..)
            .take_while(move |((at, namespace, _), _)| {
                *at == id && (target.namespace.is_empty() || *namespace == target.namespace)
            })
            .filter(move |(_, stored)| {
                matches_labels(labels, &stored.object) && matches_fields(fields, &stored.object)
            })
            .map(|(at, stored)| (at, &stored.object))
    }

    /// A page of a collection. Later pages show the objects as they are then; the real server shows them as of the first page.
    pub(crate) fn list(&self, call: &Call, target: &Target) -> Result<Answer, Refusal> {
        let (revision, after) = match call.query("continue") {
            "" => (self.revision, None),
            token => {
                let (revision, at) = token.split_once(':').ok_or_else(|| bad("continue key is not valid"))?;
                let revision: u64 = revision.parse().map_err(|_| bad("continue key is not valid"))?;
                if revision < self.compacted {
                    return Err(Refusal::expired());
                }
                let (namespace, name) = at.split_once('/').ok_or_else(|| bad("continue key is not valid"))?;
                (revision, Some(key(&target.kind, namespace, name)))
            }
        };
        let limit = match call.query("limit") {
            "" | "0" => usize::MAX,
            limit => limit.parse().map_err(|_| bad("limit is not a number"))?,
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_after = |at: &Key| match &start {
            Bound::Excluded(start) => at > start,
            _ => true,
        };
        let mut found = self.selected(call, target).filter(|(at, _)| is_after(at));
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if found.next().is_some()
            && let Some(((_, namespace, name), _)) = page.last()
        {
            metadata["continue"] = json!(format!("{revision}:{namespace}/{name}"));
        }
        let items: Vec<Value> = page.into_iter().map(|(_, object)| shown(call, object)).collect();
        let (api_version, kind) = if call.metadata_only {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
        } else {
            (target.kind.api_version(), format!("{}List", target.kind.kind))
        };
        Ok((200, json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "items": items})))
    }
}

fn bad(message: &str) -> Refusal {
    Refusal::new(400, message)
}
