//! Conan's `conan.lock`, of Conan 1 (a graph) and 2 (lists).

use serde::Deserialize;

use super::{
    entries::{Entries, List},
    qualified,
};
use crate::packages::LanguagePackage;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    graph_lock: Graph,
    #[serde(default)]
    requires: List<String>,
    #[serde(default)]
    build_requires: List<String>,
    #[serde(default)]
    python_requires: List<String>,
}

#[derive(Default, Deserialize)]
struct Graph {
    #[serde(default)]
    nodes: Entries<Node>,
}

#[derive(Deserialize)]
struct Node {
    r#ref: Option<String>,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_json::from_str(text).ok()?;
    let nodes = document.graph_lock.nodes.0.iter().filter_map(|(_, node)| node.r#ref.as_ref());
    let lists = [&document.requires, &document.build_requires, &document.python_requires];
    Some(nodes.chain(lists.into_iter().flat_map(|list| &list.0)).filter_map(|text| reference(text)).collect())
}

/// `NAME/VERSION[@USER/CHANNEL][#REVISION][%TIMESTAMP]`
fn reference(text: &str) -> Option<LanguagePackage> {
    let text = text.split(['#', '%']).next()?;
    let (package, origin) = text.split_once('@').unwrap_or((text, ""));
    let (user, channel) = origin.split_once('/').unwrap_or((origin, ""));
    let (name, version) = package.split_once('/')?;
    qualified("ConanCenter", name, version, &[("channel", channel), ("user", user)])
}
