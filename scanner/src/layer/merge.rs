//! Layers laid over each other: what of each is still to be seen from the top (OCI image-spec, "Applying Changesets").

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::{
    Digest,
    inventory::{Secret, Software, SpecialFile, Unanalysed},
};

use super::{Evidence, LayerFacts, path};
use crate::{limits::MAX_LINKS, secrets::FoundSecret};

/// One visible file.
#[derive(Debug, Clone)]
pub struct Visible<'a> {
    /// Index of its layer, from the bottom.
    pub layer: usize,
    pub evidence: &'a Evidence,
}

/// What is to be seen of an image's layers, bottom first.
#[derive(Debug)]
pub struct Merged<'a> {
    pub layers: &'a [LayerFacts],
    pub files: BTreeMap<&'a str, Visible<'a>>,
    pub software: BTreeSet<&'a Software>,
    pub special: Vec<SpecialFile>,
    /// Those of every layer: what a layer above hides can still be pulled.
    pub secrets: Vec<Secret>,
    pub unanalysed: Vec<Unanalysed>,
}

impl Merged<'_> {
    /// The digest of layer `index`, counted from the bottom.
    #[must_use]
    pub fn digest(&self, index: usize) -> Option<&Digest> {
        self.layers.get(index).map(|layer| &layer.digest)
    }
}

#[must_use]
pub fn merge(layers: &[LayerFacts]) -> Merged<'_> {
    let mut files = BTreeMap::new();
    let mut software = BTreeSet::new();
    let (mut special, mut secrets, mut listed) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut above: Vec<Cover<'_>> = Vec::new();
    for (index, layer) in layers.iter().enumerate().rev() {
        for (path, facts) in &layer.files {
            let is_hidden = above.iter().any(|cover| cover.hides(path));
            for found in &facts.secrets {
                // A copy that is seen, or at least is nearer to the top, stands for those below it.
                if listed.insert((path, found.rule, &found.fingerprint)) {
                    secrets.push(secret(path, found, &layer.digest, is_hidden));
                }
            }
            if is_hidden {
                continue;
            }
            if !above.iter().any(|cover| cover.layer.has_directory(path)) {
                special.extend(facts.special.iter().map(|(kind, detail)| SpecialFile {
                    kind: *kind,
                    path: format!("/{path}"),
                    detail: detail.clone(),
                    layer: Some(layer.digest.clone()),
                }));
            }
            if let Some(evidence) = &facts.evidence {
                files.insert(path.as_str(), Visible { layer: index, evidence });
            }
            software.extend(&facts.software);
        }
        above.push(Cover::of(layer));
    }
    let mut unanalysed: Vec<Unanalysed> = layers.iter().flat_map(|layer| layer.unanalysed.clone()).collect();
    let files = resolve_links(files, &mut unanalysed);
    Merged { layers, files, software, special, secrets, unanalysed }
}

fn secret(path: &str, found: &FoundSecret, layer: &Digest, is_hidden: bool) -> Secret {
    Secret {
        rule: found.rule.to_owned(),
        path: path.to_owned(),
        line: found.line,
        fingerprint: found.fingerprint.clone(),
        layer: Some(layer.clone()),
        deleted: is_hidden,
    }
}

/// What one layer hides of those below it.
struct Cover<'a> {
    layer: &'a LayerFacts,
    removed: BTreeSet<&'a str>,
    opaque: BTreeSet<&'a str>,
}

impl<'a> Cover<'a> {
    fn of(layer: &'a LayerFacts) -> Self {
        let set = |paths: &'a [String]| paths.iter().map(String::as_str).collect();
        Self { layer, removed: set(&layer.removed), opaque: set(&layer.opaque) }
    }

    fn hides(&self, path: &str) -> bool {
        let is_gone = |path: &str| self.removed.contains(path) || self.layer.has(path);
        self.opaque.contains("")
            || is_gone(path)
            || path::ancestors(path).any(|ancestor| self.opaque.contains(ancestor) || is_gone(ancestor))
    }
}

/// Puts in place of each link what it leads to, if that was read; otherwise says that it was not.
fn resolve_links<'a>(
    files: BTreeMap<&'a str, Visible<'a>>,
    unanalysed: &mut Vec<Unanalysed>,
) -> BTreeMap<&'a str, Visible<'a>> {
    let lead = |visible: &Visible<'a>| {
        let mut end = visible.clone();
        for _ in 0..MAX_LINKS {
            let Evidence::Link(target) = end.evidence else { return Some(end) };
            end = files.get(target.as_str())?.clone();
        }
        None
    };
    let mut resolved = BTreeMap::new();
    for (path, visible) in &files {
        match lead(visible) {
            Some(end) => {
                resolved.insert(*path, end);
            }
            // Licences that lead nowhere hide no package.
            None if path.starts_with("usr/share/doc/") => {}
            None => unanalysed.push(Unanalysed {
                path: (*path).to_owned(),
                reason: "a link to a file that was not read".into(),
            }),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::{
        super::{FileFacts, facts::hash},
        *,
    };

    fn layer(files: &[&str], others: &[&str], removed: &[&str], opaque: &[&str]) -> LayerFacts {
        let mut layer =
            LayerFacts::new(Digest::of(format!("{files:?}{others:?}{removed:?}{opaque:?}").as_bytes()));
        for path in files {
            let evidence = match path.split_once("->") {
                Some((_, target)) => Evidence::Link(target.to_owned()),
                None => Evidence::Unread(String::new()),
            };
            let path = path.split("->").next().unwrap().to_owned();
            layer.present.push(hash(&path));
            layer.files.insert(path, FileFacts { evidence: Some(evidence), ..FileFacts::default() });
        }
        layer.present.extend(others.iter().map(|path| hash(path)));
        layer.present.sort_unstable();
        layer.removed = removed.iter().map(|path| (*path).to_owned()).collect();
        layer.opaque = opaque.iter().map(|path| (*path).to_owned()).collect();
        layer
    }

    fn seen(layers: &[LayerFacts]) -> Vec<(String, usize)> {
        merge(layers).files.iter().map(|(path, visible)| ((*path).to_owned(), visible.layer)).collect()
    }

    fn at(path: &str, layer: usize) -> (String, usize) {
        (path.to_owned(), layer)
    }

    #[test]
    fn upper_layers_replace_and_remove() {
        let base = layer(&["a/x", "a/y", "b/z", "c/w"], &[], &[], &[]);
        assert_eq!(
            seen(&[base.clone(), layer(&["a/x"], &[], &["b"], &[])]),
            [at("a/x", 1), at("a/y", 0), at("c/w", 0)]
        );
        assert_eq!(
            seen(&[base.clone(), layer(&["a/n"], &[], &[], &["a"])]),
            [at("a/n", 1), at("b/z", 0), at("c/w", 0)]
        );
        // A directory replaced by a file or a link takes its contents along.
        assert_eq!(seen(&[base.clone(), layer(&[], &["a", "c/w"], &[], &[])]), [at("b/z", 0)]);
        assert_eq!(seen(&[base, layer(&[], &[], &[], &[""])]), []);
    }

    #[test]
    fn a_layer_does_not_remove_what_it_or_an_upper_one_brings() {
        let removing = layer(&["a/x"], &[], &["a/x"], &["a"]);
        assert_eq!(seen(&[layer(&["a/x"], &[], &[], &[]), removing]), [at("a/x", 1)]);
        let restored =
            [layer(&["a/x"], &[], &[], &[]), layer(&[], &[], &["a"], &[]), layer(&["a/x"], &[], &[], &[])];
        assert_eq!(seen(&restored), [at("a/x", 2)]);
    }

    #[test]
    fn links_lead_to_what_was_read_or_are_reported() {
        let layers = [
            layer(&["store/p"], &[], &[], &[]),
            layer(&["app/p->store/p", "loop->loop", "lost->nowhere"], &[], &[], &[]),
        ];
        let merged = merge(&layers);
        assert_eq!(merged.files.keys().copied().collect::<Vec<_>>(), ["app/p", "store/p"]);
        assert_eq!(merged.files["app/p"].layer, 0);
        let lost: Vec<_> = merged.unanalysed.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(lost, ["loop", "lost"]);
    }
}
