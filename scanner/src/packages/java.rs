//! Java archives (jar, war, ear and their kin) and the archives within them. Each is known by the files that Maven leaves in it (several
//! where others' code was shaded in), else by its name and manifest.

mod coordinates;
mod groups;
mod manifest;
mod pom;
mod zip;

use std::collections::BTreeSet;

use breakwater_core::printable;

use self::{
    coordinates::{Coordinates, Inferred, stem},
    manifest::Manifest,
    zip::{Member, Zip},
};
use super::{LanguagePackage, Listing, purl::purl};
use crate::limits::{
    MAX_ARCHIVE_DEPTH, MAX_ARCHIVE_ENTRIES, MAX_ARCHIVE_TEXT, MAX_ARCHIVE_WORK, MAX_ARCHIVES,
    MAX_HELD_ARCHIVES, MAX_LISTED, MAX_WITHIN,
};

/// Whether a file of this name is read as an archive.
#[must_use]
pub fn is_archive(name: &str) -> bool {
    const SUFFIXES: [&str; 8] = ["jar", "war", "ear", "par", "sar", "jpi", "hpi", "lpkg"];
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    SUFFIXES.iter().any(|known| suffix.eq_ignore_ascii_case(known))
}

/// What the archive at `path` and those within it tell.
///
/// # Errors
/// Why it cannot be read at all; what is unread of its contents is in the listing.
pub fn read(path: &str, bytes: &[u8]) -> Result<Listing, String> {
    let zip = Zip::open(bytes).ok_or("an archive without a central directory: it is damaged or cut off")?;
    let mut walk = Walk { listing: Listing::default(), entries: 0, archives: 0, work: 0, held: 0 };
    if let Err(Exhausted(reason)) = walk.archive(file_name(path), "", zip, 0) {
        walk.leave_out("", reason);
    }
    Ok(walk.listing)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A bound of the whole walk was reached; why, for the user.
struct Exhausted(&'static str);

/// Counts over all archives within one file: nesting multiplies, so bounds for each alone would not hold.
struct Walk {
    listing: Listing,
    entries: usize,
    archives: usize,
    /// Bytes inflated and looked through.
    work: u64,
    /// Bytes of inflated archives in memory now.
    held: u64,
}

/// What one archive says of itself.
#[derive(Default)]
struct Traits<'a> {
    poms: BTreeSet<Coordinates>,
    projects: BTreeSet<Coordinates>,
    manifest: Manifest,
    /// The directory that all its classes share.
    classes: Option<&'a str>,
}

impl Walk {
    fn archive(&mut self, file: &str, within: &str, zip: Zip<'_>, depth: usize) -> Result<(), Exhausted> {
        self.archives += 1;
        if self.archives > MAX_ARCHIVES {
            return Err(Exhausted("holds more archives than are read: the rest is not read"));
        }
        let mut traits = Traits::default();
        for member in zip.members() {
            self.entries += 1;
            if self.entries > MAX_ARCHIVE_ENTRIES {
                return Err(Exhausted("holds more entries than are read: the rest is not read"));
            }
            match member {
                Ok(member) => self.member(&zip, &member, within, depth, &mut traits)?,
                Err(zip::Damaged) => {
                    self.leave_out(within, "an archive whose directory is damaged: the rest is not read")
                }
            }
        }
        self.identify(file, within, &traits)
    }

    fn member<'a>(
        &mut self,
        zip: &Zip<'a>,
        member: &Member<'a>,
        within: &str,
        depth: usize,
        traits: &mut Traits<'a>,
    ) -> Result<(), Exhausted> {
        let Ok(name) = std::str::from_utf8(member.name) else { return Ok(()) };
        if let Some(class) = name.strip_suffix(".class") {
            traits.meet(class);
        } else if is_archive(name) {
            self.nested(zip, member, &inside(within, name), depth)?;
        } else if let Some(kind) = Text::of(name) {
            match self.content(zip, member, MAX_ARCHIVE_TEXT)? {
                Ok(content) => traits.learn(kind, &String::from_utf8_lossy(content.bytes())),
                Err(reason) => self.leave_out(&inside(within, name), reason),
            }
        }
        Ok(())
    }

    fn nested(
        &mut self,
        zip: &Zip<'_>,
        member: &Member<'_>,
        within: &str,
        depth: usize,
    ) -> Result<(), Exhausted> {
        if depth >= MAX_ARCHIVE_DEPTH {
            self.leave_out(within, "an archive nested deeper than is read");
            return Ok(());
        }
        let held = if member.is_stored() { 0 } else { member.size };
        if self.held.saturating_add(held) > MAX_HELD_ARCHIVES {
            self.leave_out(within, "an archive in an archive that is larger than is read there");
            return Ok(());
        }
        let content = match self.content(zip, member, u64::MAX)? {
            Ok(content) => content,
            Err(reason) => {
                self.leave_out(within, reason);
                return Ok(());
            }
        };
        match Zip::open(content.bytes()) {
            Some(zip) => {
                self.held += held;
                self.archive(file_name(within), within, zip, depth + 1)?;
                self.held -= held;
            }
            None => {
                self.leave_out(within, "an archive without a central directory: it is damaged or cut off")
            }
        }
        Ok(())
    }

    /// A member's content, of `bound` bytes at most; the inner error is why it cannot be read.
    fn content<'a>(
        &mut self,
        zip: &Zip<'a>,
        member: &Member<'_>,
        bound: u64,
    ) -> Result<Result<Content<'a>, &'static str>, Exhausted> {
        /// What reading any member costs, in the bytes that could be looked through instead.
        const EACH: u64 = 16 << 10;
        if member.size > bound || member.compressed > bound {
            return Ok(Err("a file in an archive that is larger than is read there"));
        }
        let cost = EACH.saturating_add(member.compressed).saturating_add(member.size);
        self.work = self.work.saturating_add(cost);
        if self.work > MAX_ARCHIVE_WORK {
            return Err(Exhausted("inflates to more than is read: the rest is not read"));
        }
        let Some(stored) = zip.stored(member) else { return Ok(Err("a file in an archive that is damaged")) };
        if member.is_stored() {
            return Ok(Ok(Content::Stored(stored)));
        }
        Ok(member.inflate(stored).map(Content::Inflated))
    }

    fn identify(&mut self, file: &str, within: &str, traits: &Traits<'_>) -> Result<(), Exhausted> {
        let stated = if traits.poms.is_empty() { &traits.projects } else { &traits.poms };
        for coordinates in stated {
            self.list(coordinates, within)?;
        }
        let stem = stem(file);
        let is_own = |c: &Coordinates| {
            stem.strip_prefix(c.artifact.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if stated.iter().any(is_own) {
            return Ok(());
        }
        // None of the files Maven left speaks of the archive itself: they came with code that was shaded in, or there are none.
        let Some(Inferred { coordinates, is_guess }) =
            Coordinates::inferred(file, &traits.manifest, traits.classes)
        else {
            if stated.is_empty() && traits.classes.is_some() {
                self.leave_out(within, "an archive of classes that names no Maven artifact: it has no pom.properties and no version");
            }
            return Ok(());
        };
        if !stated.is_empty() && (is_guess || coordinates.group.is_empty()) {
            return Ok(()); // An application's own archive, around code that is listed.
        }
        let is_stated = |c: &Coordinates| c.group == coordinates.group && c.version == coordinates.version;
        if stated.iter().any(is_stated) || (coordinates.group.is_empty() && traits.classes.is_none()) {
            return Ok(());
        }
        self.list(&coordinates, within)?;
        if coordinates.group.is_empty() {
            self.leave_out(
                within,
                "an archive that names no Maven group: advisories cannot be matched to it",
            );
        } else if is_guess {
            self.leave_out(
                within,
                "an archive whose Maven group is guessed by its classes: advisories may not match it",
            );
        }
        Ok(())
    }

    fn list(&mut self, found: &Coordinates, within: &str) -> Result<(), Exhausted> {
        if self.listing.packages.len() >= MAX_LISTED {
            return Err(Exhausted("names more packages than are listed"));
        }
        let Coordinates { group, artifact, version } = found;
        let (name, path) = if group.is_empty() {
            (artifact.clone(), artifact.clone())
        } else {
            (format!("{group}:{artifact}"), format!("{group}/{artifact}"))
        };
        self.listing.packages.push(LanguagePackage {
            within: within.to_owned(),
            ..LanguagePackage::new("Maven", name, version.clone(), purl("maven", &path, version, &[]))
        });
        Ok(())
    }

    fn leave_out(&mut self, within: &str, reason: &str) {
        self.listing.leave_out(within, reason);
    }
}

enum Content<'a> {
    Stored(&'a [u8]),
    Inflated(Vec<u8>),
}

impl Content<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Stored(bytes) => bytes,
            Self::Inflated(bytes) => bytes,
        }
    }
}

/// A file that tells what its archive is.
#[derive(Clone, Copy)]
enum Text {
    Properties,
    Project,
    Manifest,
}

impl Text {
    fn of(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("META-INF/MANIFEST.MF") {
            return Some(Self::Manifest);
        }
        // Below WEB-INF/classes and the like, too.
        let (_, place) = name.split_once("META-INF/maven/")?;
        match place.split('/').collect::<Vec<_>>().as_slice() {
            [_, _, "pom.properties"] => Some(Self::Properties),
            [_, _, "pom.xml"] => Some(Self::Project),
            _ => None,
        }
    }
}

impl<'a> Traits<'a> {
    fn learn(&mut self, kind: Text, text: &str) {
        match kind {
            Text::Properties => self.poms.extend(pom::properties(text)),
            Text::Project => self.projects.extend(pom::project(text)),
            Text::Manifest => self.manifest = Manifest::parse(text),
        }
    }

    /// One more class: the shared directory shrinks to what it shares with it.
    fn meet(&mut self, class: &'a str) {
        if class.starts_with("META-INF/") || class.ends_with("module-info") {
            return;
        }
        let directory = class.rsplit_once('/').map_or("", |(directory, _)| directory);
        let shared = self.classes.unwrap_or(directory);
        self.classes = Some(shared_directory(shared, directory));
    }
}

fn shared_directory<'a>(a: &'a str, b: &str) -> &'a str {
    if a == b {
        return a;
    }
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let is_end = |text: &str| text.len() == same || text.as_bytes().get(same) == Some(&b'/');
    let end = if is_end(a) && is_end(b) {
        same
    } else {
        a.get(..same).and_then(|same| same.rfind('/')).unwrap_or(0)
    };
    a.get(..end).unwrap_or_default()
}

fn inside(within: &str, name: &str) -> String {
    let name = printable::line(name, MAX_WITHIN);
    if within.is_empty() { name } else { format!("{within}!/{name}") }
}

#[cfg(test)]
mod tests;
