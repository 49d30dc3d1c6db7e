//! Looks at everything in an index once. Opening checks the checksum, so this finds what a wrong program wrote, not what a disk lost.

use super::cursor::Cursor;
use super::layout::{ECOSYSTEM_ROW, ID_ROW, PACKAGE_ROW, Section};
use super::{EcosystemRows, Index};

/// The first thing in an index that contradicts its format, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{section}, {place}: {what}")]
pub struct Flaw {
    /// The section of the file.
    pub section: &'static str,
    /// Which row or item of it.
    pub place: String,
    pub what: &'static str,
}

fn flaw(section: &'static str, place: impl ToString, what: &'static str) -> Flaw {
    Flaw { section, place: place.to_string(), what }
}

impl Index {
    /// Reads every string, row, record and range, and checks that what is searched is sorted and what is named exists.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn walk(&self) -> Result<(), Flaw> {
        self.walk_ids()?;
        for number in 0..self.records {
            let names = self.record(number).and_then(|record| record.names());
            names.ok_or_else(|| flaw("records", number, "it cannot be read"))?;
        }
        if self.section(Section::Offsets).len() as u64 != u64::from(self.records) * 4 {
            return Err(flaw("offsets", self.records, "there are not as many as records"));
        }
        let mut last = "";
        for (number, row) in self.section(Section::Ecosystems).chunks(ECOSYSTEM_ROW).enumerate() {
            let name = Cursor(row).u32().and_then(|offset| self.string(offset));
            let name = name.ok_or_else(|| flaw("ecosystems", number, "its name cannot be read"))?;
            if name <= last {
                return Err(flaw("ecosystems", name, "it is not behind the one before"));
            }
            last = name;
            let rows = self.ecosystem(name).ok_or_else(|| flaw("ecosystems", name, "it is not found"))?;
            self.walk_packages(name, rows)?;
        }
        Ok(())
    }

    fn walk_ids(&self) -> Result<(), Flaw> {
        let mut last = "";
        for number in 0..self.section(Section::Ids).len().div_ceil(ID_ROW) {
            let found = self.vulnerability(number).ok_or_else(|| flaw("ids", number, "it cannot be read"))?;
            if found.id <= last {
                return Err(flaw("ids", found.id, "it is not behind the one before"));
            }
            last = found.id;
        }
        Ok(())
    }

    fn walk_packages(&self, ecosystem: &str, rows: EcosystemRows) -> Result<(), Flaw> {
        let at = |package: &str| format!("{ecosystem} {package}");
        let packages = self.section(Section::Packages).get(rows.start..rows.end);
        let packages =
            packages.ok_or_else(|| flaw("packages", ecosystem, "they lie outside of the section"))?;
        let mut last = None;
        for (number, row) in packages.chunks(PACKAGE_ROW).enumerate() {
            let name = Cursor(row).u32().and_then(|offset| self.string(offset));
            let name = name.ok_or_else(|| flaw("packages", number, "its name cannot be read"))?;
            if last.is_some_and(|last| name <= last) {
                return Err(flaw("packages", at(name), "it is not behind the one before"));
            }
            last = Some(name);
            let unreadable = || flaw("affected", at(name), "its entries cannot be read");
            for entry in self.affected(rows, name).ok_or_else(unreadable)? {
                let entry = entry.ok_or_else(unreadable)?;
                if entry.record >= self.records {
                    return Err(flaw("affected", at(name), "it names a record that is not there"));
                }
                let mut whole = entry.imports.into_iter().flatten().all(|import| import.is_some());
                let visited = entry.visit(
                    |events| {
                        let promised = events.left;
                        whole &= events.count() == promised;
                    },
                    |_| (),
                );
                if visited.is_none() || !whole {
                    return Err(unreadable());
                }
            }
        }
        Ok(())
    }
}
