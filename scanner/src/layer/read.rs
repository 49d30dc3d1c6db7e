use std::{io::BufRead, str::from_utf8};

use breakwater_core::{
    Digest,
    inventory::{MAX_ENTRIES, SpecialFileKind, Unanalysed},
    printable,
};

use super::{
    Budget, Evidence, Inflated, LayerError, LayerFacts,
    budget::Share,
    entry::{Entry, Kind},
    facts::hash,
    path::{self, unmerged},
    tar::{Content, Tar},
    want::{Want, want},
};
use crate::{
    HeldFile, ScanOptions,
    contents::{self, MinerSearch, Special},
    limits::{FILE_OVERHEAD, MAX_KEPT, MAX_LAYER_ENTRIES, MAX_PATH, MIN_UNREAD_ITEMS},
    packages::{Family, apk, dpkg, license, os_release, program::ProgramSearch, rpm},
    secrets::{FoundSecret, SecretSearch},
};

/// What a layer is to be, by the manifest and the image configuration.
#[derive(Debug, Clone)]
pub struct ExpectedLayer {
    pub digest: Digest,
    pub diff_id: Digest,
}

/// Reads a layer's compressed bytes once, to their end, and tells what is inside.
///
/// # Errors
/// [`LayerError`]: the layer is corrupt, is not the expected one, or its source broke off. Bounds that are hit are no errors: they are
/// listed in the facts' `unanalysed`.
pub fn read_layer(
    from: impl BufRead,
    expected: &ExpectedLayer,
    options: ScanOptions,
) -> Result<LayerFacts, LayerError> {
    read_layer_within(from, expected, options, &Budget::of_an_image())
}

/// As [`read_layer`], with what is left for the layer's image.
///
/// # Errors
/// As [`read_layer`].
pub(crate) fn read_layer_within(
    from: impl BufRead,
    expected: &ExpectedLayer,
    options: ScanOptions,
    budget: &Budget,
) -> Result<LayerFacts, LayerError> {
    let mut reading = Reading::new(expected.digest.clone(), options, budget);
    let mut tar = Tar::new(Inflated::new(from)?);
    let walked = reading.walk(&mut tar, MAX_LAYER_ENTRIES);
    if tar.overlong() > 0 {
        let reason = format!("{} paths of more than {MAX_PATH} bytes are not read", tar.overlong());
        reading.leave_out(&format!("layer {}", expected.digest.short()), &reason);
    }
    let inflated = tar.into_inner();
    let cap = inflated.cap().map(str::to_owned);
    match (walked, &cap) {
        (Ok(()), _) => {}
        (Err(_), Some(_)) => {} // The bound cut the archive, nobody else.
        (Err(error @ LayerError::Corrupt(_)), None) => {
            // Wrong bytes are rarely good tar: say so first if they are not the layer's at all.
            check("layer", &expected.digest, inflated.digest()?)?;
            return Err(error);
        }
        (Err(error), None) => return Err(error),
    }
    if let Some(reason) = cap {
        reading.leave_out(&format!("layer {}", expected.digest.short()), &reason);
    }
    let totals = inflated.finish()?;
    check("layer", &expected.digest, totals.digest)?;
    if let Some(diff_id) = totals.diff_id {
        check("inflated layer", &expected.diff_id, diff_id)?;
    }
    Ok(reading.into_facts())
}

fn check(what: &'static str, expected: &Digest, found: Digest) -> Result<(), LayerError> {
    if *expected == found {
        return Ok(());
    }
    Err(LayerError::DigestMismatch { what, expected: expected.clone(), found })
}

/// A layer's or directory's facts as they grow, entry by entry.
pub(super) struct Reading {
    facts: LayerFacts,
    /// Bytes of facts kept so far, roughly.
    kept: usize,
    /// What it took of what its image may take.
    share: Share,
    /// Items of `unanalysed` that are not kept.
    unsaid: usize,
    /// Memory for programs, used again for the next.
    program: HeldFile,
    /// Absent: secrets are not looked for.
    secrets: Option<SecretSearch>,
}

impl Reading {
    pub(super) fn new(digest: Digest, options: ScanOptions, budget: &Budget) -> Self {
        let secrets = options.secrets.then(SecretSearch::default);
        let facts = LayerFacts::new(digest);
        Self { facts, kept: 0, share: budget.share(), unsaid: 0, program: HeldFile::default(), secrets }
    }

    pub(super) fn into_facts(mut self) -> LayerFacts {
        self.share.settle();
        let mut facts = self.facts;
        if self.unsaid > 0 {
            let path = format!("layer {}", facts.digest.short());
            facts
                .unanalysed
                .push(Unanalysed { path, reason: format!("{} more items that are not listed", self.unsaid) });
        }
        facts.seal();
        facts
    }

    /// Reads at most `most` entries.
    fn walk<R: BufRead>(&mut self, tar: &mut Tar<R>, most: usize) -> Result<(), LayerError> {
        let mut entries = 0_usize;
        while let Some(entry) = tar.next_entry()? {
            entries += 1;
            if entries > most {
                let reason = format!("a layer of more than {most} entries: the rest is not read");
                self.leave_out(&entry.path, &reason);
                return Ok(());
            }
            if !self.share.entry() {
                let reason =
                    "the image has more entries in all than are looked at: the rest of the layer is not read";
                self.leave_out(&entry.path, reason);
                return Ok(());
            }
            self.entry(&entry, tar)?;
        }
        Ok(())
    }

    fn entry<R: BufRead>(&mut self, entry: &Entry, tar: &mut Tar<R>) -> Result<(), LayerError> {
        if entry.path.is_empty() {
            return Ok(());
        }
        if entry.kind == Kind::Directory {
            self.directory(entry);
            return Ok(());
        }
        if let Some(removed) = path::name(&entry.path).strip_prefix(".wh.") {
            let directory = entry.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            if let Err(full) = self.affords(entry.path.len() + size_of::<String>()) {
                self.leave_out(&entry.path, &format!("{full} removes more than is kept"));
            } else if removed == ".wh..opq" {
                self.facts.opaque.push(directory.to_owned());
            } else if !removed.starts_with(".wh.") {
                self.facts.removed.push(path::normalise(&format!("{directory}/{removed}")));
            }
            return Ok(());
        }
        self.brought(entry, tar)
    }

    /// A directory: nothing but its rights.
    pub(super) fn directory(&mut self, entry: &Entry) {
        self.facts.directories.push(hash(&entry.path));
        self.facts.files.remove(&entry.path);
        self.special(&entry.path, contents::special_of(entry));
    }

    /// What a layer or directory has at a path, directories aside.
    pub(super) fn brought(&mut self, entry: &Entry, content: &mut impl Content) -> Result<(), LayerError> {
        self.facts.present.push(hash(&entry.path));
        // A later entry of one path replaces an earlier one.
        self.facts.files.remove(&entry.path);
        let mut is_elf = false;
        match (want(&entry.path), entry.kind) {
            (Some(Want::Unread(reason)), _) => {
                self.keep(&entry.path, Evidence::Unread(reason.to_owned()));
            }
            (Some(_), Kind::HardLink) => {
                self.keep(&entry.path, Evidence::Link(path::normalise(&entry.target)));
            }
            (Some(Want::Copyright), Kind::SymbolicLink) => {
                let (path, target) = license::linked(&entry.path, path::follow(&entry.path, &entry.target));
                self.keep(&path, Evidence::Link(target));
            }
            (Some(_), Kind::SymbolicLink) => {
                self.keep(&entry.path, Evidence::Link(path::follow(&entry.path, &entry.target)));
            }
            (Some(want), Kind::File) => self.file(entry, want, content)?,
            (None, Kind::File) => is_elf = self.program(entry, content)?,
            _ => {}
        }
        let software = contents::software_of(entry, is_elf);
        if !software.is_empty() {
            match self.affords(FILE_OVERHEAD + software.len() * (2 * entry.path.len() + 100)) {
                Ok(()) => self.facts.files.entry(entry.path.clone()).or_default().software = software,
                Err(full) => self.leave_out(&entry.path, &format!("{full} holds more software than is kept")),
            }
        }
        self.special(&entry.path, contents::special_of(entry));
        if contents::can_run(entry, is_elf) && contents::is_miner_name(path::name(&entry.path)) {
            self.special(&entry.path, vec![(SpecialFileKind::Miner, "named like a miner".to_owned())]);
        }
        Ok(())
    }

    /// A file that is read whole.
    fn file(&mut self, entry: &Entry, want: Want, content: &mut impl Content) -> Result<(), LayerError> {
        if entry.sparse || entry.size > want.bound() {
            let reason = if entry.sparse {
                "a sparse file is not read".to_owned()
            } else {
                format!("larger than {} MiB", want.bound() >> 20)
            };
            self.keep(&entry.path, Evidence::Unread(reason));
            return Ok(());
        }
        let mut bytes = HeldFile::of_size(usize::try_from(entry.size).unwrap_or(0));
        content.content(|piece| {
            bytes.push(piece);
            true
        })?;
        if let Some(search) = &mut self.secrets {
            search.begin(&entry.path);
            search.push(&bytes);
            self.secrets(&entry.path);
        }
        match interpret(want, &entry.path, &bytes) {
            Ok(Some(evidence)) => self.keep(&entry.path, evidence),
            Ok(None) => {}
            Err(reason) => self.keep(&entry.path, Evidence::Unread(reason)),
        }
        Ok(())
    }

    /// Any other file: a program is searched for what linkers and miners leave in it, a text for secrets. Answers whether it is
    /// a program.
    fn program(&mut self, entry: &Entry, content: &mut impl Content) -> Result<bool, LayerError> {
        let mut search = ProgramSearch::new(entry.size, std::mem::take(&mut self.program));
        let mut miner = MinerSearch::default();
        let mut secrets = self.secrets.as_mut();
        if let Some(secrets) = &mut secrets {
            secrets.begin(&entry.path);
        }
        let (mut wants_program, mut wants_text) = (true, true);
        content.content(|piece| {
            wants_program = wants_program && search.push(piece);
            wants_text = wants_text && secrets.as_mut().is_some_and(|secrets| secrets.push(piece));
            if search.is_elf() {
                miner.push(piece);
            }
            wants_program || wants_text || search.is_elf()
        })?;
        let is_elf = search.is_elf();
        let (found, memory) = search.finish();
        self.program = memory;
        if !found.packages.is_empty() {
            self.keep(&entry.path, Evidence::Language(found.packages.into()));
        }
        if let Some(reason) = found.unread {
            self.leave_out(&entry.path, reason);
        }
        if let Some(detail) = miner.finish() {
            self.special(&entry.path, vec![(SpecialFileKind::Miner, detail)]);
        }
        self.secrets(&entry.path);
        Ok(is_elf)
    }

    /// Keeps what the search for secrets found in the file at `path`.
    fn secrets(&mut self, path: &str) {
        let Some(search) = &mut self.secrets else { return };
        let found = search.finish();
        if search.is_full() {
            self.leave_out(path, "more secrets than are listed of one file: remove it, or its samples");
        }
        if found.is_empty() {
            return;
        }
        if found.iter().any(FoundSecret::is_private_key) {
            self.special(path, vec![(SpecialFileKind::PrivateKey, "contains a private key".to_owned())]);
        }
        match self.affords(path.len() + FILE_OVERHEAD + found.len() * 64) {
            Ok(()) => self.facts.files.entry(path.to_owned()).or_default().secrets = found,
            Err(full) => self.leave_out(path, &format!("{full} holds more secrets than are kept")),
        }
    }

    fn special(&mut self, path: &str, found: Vec<Special>) {
        if found.is_empty() {
            return;
        }
        let words: usize = found.iter().map(|(_, detail)| detail.len() + 64).sum();
        match self.affords(path.len() + FILE_OVERHEAD + words) {
            Ok(()) => self.facts.files.entry(path.to_owned()).or_default().special.extend(found),
            Err(full) => self.leave_out(path, &format!("{full} holds more special files than are kept")),
        }
    }

    fn keep(&mut self, path: &str, evidence: Evidence) {
        match self.affords(path.len().saturating_add(FILE_OVERHEAD).saturating_add(evidence.size())) {
            Ok(()) => self.facts.files.entry(path.to_owned()).or_default().evidence = Some(evidence),
            Err(full) => self.leave_out(path, &format!("{full} holds more package data than is kept")),
        }
    }

    /// Counts `size` bytes more, if that stays within the bounds; else says whose is reached.
    fn affords(&mut self, size: usize) -> Result<(), &'static str> {
        let sum = self.kept.saturating_add(size);
        if sum > MAX_KEPT {
            return Err("the layer");
        }
        if !self.share.keep(size) {
            return Err("the image");
        }
        self.kept = sum;
        Ok(())
    }

    /// Reports something unread. Where there is no room for more, it is counted.
    pub(super) fn leave_out(&mut self, path: &str, reason: &str) {
        let listed = self.facts.unanalysed.len();
        let path = printable::line(path, MAX_PATH);
        let size = path.len() + reason.len() + size_of::<Unanalysed>();
        if listed < MIN_UNREAD_ITEMS || (listed < MAX_ENTRIES && self.affords(size).is_ok()) {
            self.facts.unanalysed.push(Unanalysed { path, reason: reason.to_owned() });
        } else {
            self.unsaid += 1;
        }
    }
}

/// What a wanted file says; `Err` is the reason why it cannot be read, `Ok(None)` that it says nothing of interest.
fn interpret(want: Want, path: &str, bytes: &[u8]) -> Result<Option<Evidence>, String> {
    let text = || from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Into::into);
    Ok(match want {
        Want::OsRelease => os_release::parse(&text()).map(Evidence::OsRelease),
        Want::AlpineRepositories => os_release::alpine_branch(&text()).map(Evidence::AlpineBranch),
        Want::DpkgStatus => Some(Evidence::Dpkg(dpkg::parse_status(&text()))),
        Want::DpkgFiles => Some(Evidence::DpkgFiles(dpkg::parse_files(&text()))),
        Want::Copyright => {
            Some(license::copyright(&text())).filter(|found| !found.is_empty()).map(Evidence::Copyright)
        }
        Want::ApkInstalled => {
            let (packages, files) = apk::parse_installed(&text());
            Some(Evidence::Apk { packages, files })
        }
        Want::Rpm => {
            let mut files = Vec::new();
            let rpm::Installed { packages, damage } =
                rpm::read(bytes, |path| files.push(hash(unmerged(path))));
            files.shrink_to_fit();
            Some(Evidence::Rpm { packages, files, damage: damage.map(|damage| damage.to_string()) })
        }
        Want::RpmLog if bytes.is_empty() => None,
        Want::RpmLog => {
            return Err(
                "changes to the rpm database that were not finished: run `rpm --rebuilddb` in the image"
                    .into(),
            );
        }
        Want::Language(family) => {
            let found = Some(family.read(path, bytes)?).filter(|found| !found.is_empty());
            found.map(|found| match family {
                Family::Lock(lock) => Evidence::Locked(lock, found.packages),
                _ => Evidence::Language(found),
            })
        }
        Want::Unread(reason) => Some(Evidence::Unread(reason.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of 11 empty files.
    fn layer(path: impl Fn(usize) -> String) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for number in 0..11 {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o644);
            archive.append_data(&mut header, path(number), std::io::empty()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    /// All layers of one image, one after the other.
    fn image(layers: &[Vec<u8>], budget: &Budget) -> Vec<LayerFacts> {
        let read = |layer: &Vec<u8>| {
            let expected = ExpectedLayer { digest: Digest::of(layer), diff_id: Digest::of(layer) };
            read_layer_within(layer.as_slice(), &expected, ScanOptions::default(), budget).unwrap()
        };
        layers.iter().map(read).collect()
    }

    #[test]
    fn the_entries_of_all_layers_count_together() {
        let layers = [layer(|n| format!("a/{n}")), layer(|n| format!("b/{n}")), layer(|n| format!("c/{n}"))];
        let facts = image(&layers, &Budget::new(33, usize::MAX));
        assert!(
            facts.iter().all(|facts| facts.present.len() == 11 && facts.unanalysed.is_empty()),
            "{facts:?}"
        );
        let facts = image(&layers, &Budget::new(15, usize::MAX));
        let read: Vec<usize> = facts.iter().map(|facts| facts.present.len()).collect();
        assert_eq!(read, [11, 4, 0]);
        assert!(facts[0].unanalysed.is_empty());
        for (facts, path) in facts[1..].iter().zip(["b/4", "c/0"]) {
            assert_eq!(facts.unanalysed.len(), 1);
            assert_eq!(facts.unanalysed[0].path, path);
            assert!(facts.unanalysed[0].reason.starts_with("the image has more entries"), "{facts:?}");
        }
    }

    #[test]
    fn what_is_kept_of_all_layers_counts_together() {
        // Removals are kept whatever they remove.
        let layers = [layer(|n| format!("a/.wh.{n:02}")), layer(|n| format!("b/.wh.{n:02}"))];
        let each = "a/.wh.00".len() + size_of::<String>();
        let facts = image(&layers, &Budget::new(100, 22 * each));
        assert!(
            facts.iter().all(|facts| facts.removed.len() == 11 && facts.unanalysed.is_empty()),
            "{facts:?}"
        );
        let facts = image(&layers, &Budget::new(100, 11 * each));
        assert_eq!((facts[0].removed.len(), facts[1].removed.len()), (11, 0));
        let said: Vec<&str> = facts[1].unanalysed.iter().map(|item| item.reason.as_str()).collect();
        assert_eq!(said.len(), MIN_UNREAD_ITEMS + 1, "{said:?}");
        assert_eq!(said[0], "the image removes more than is kept");
        assert_eq!(
            said[MIN_UNREAD_ITEMS], "1 more items that are not listed",
            "what there is no room to list is counted"
        );
    }

    #[test]
    fn what_is_said_of_special_files_counts() {
        let full = [&[1, 0, 0, 3][..], &[255; 16]].concat();
        let capable = Entry { capabilities: full, ..Entry::of(Kind::File) };
        let mut reading = Reading::new(Digest::of(b""), ScanOptions::default(), &Budget::new(1, usize::MAX));
        reading.special("a", contents::special_of(&capable));
        let facts = &reading.facts.files["a"];
        let words: usize = facts.special.iter().map(|(_, detail)| detail.len()).sum();
        assert!(words > 1_000 && reading.kept > words && reading.facts.size() > words, "{words}");
    }

    #[test]
    fn entries_beyond_the_bound_are_said_to_be_unread() {
        let archive = layer(|number| format!("srv/{number}"));
        for (most, unread) in [(11, 0), (10, 1)] {
            let budget = Budget::of_an_image();
            let mut reading = Reading::new(Digest::of(&archive), ScanOptions::default(), &budget);
            reading.walk(&mut Tar::new(archive.as_slice()), most).unwrap();
            let facts = reading.into_facts();
            assert_eq!((facts.present.len(), facts.unanalysed.len()), (most, unread), "{facts:?}");
        }
    }
}
