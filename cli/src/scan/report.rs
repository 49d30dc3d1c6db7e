use std::collections::{BTreeMap, HashMap};

use breakwater_core::end_of_life::{Support, support};
use breakwater_core::inventory::{OperatingSystem, SpecialFile, SpecialFileKind, Unanalysed};
use breakwater_core::policy::{Compliance, Verdict};
use breakwater_core::{
    AffectedPackage, Finding, Inventory, NotLinked, Severity, SeverityCounts, SeveritySource,
};
use chrono::{DateTime, NaiveDate, Utc};

/// Everything one scan has to say, whatever the format.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) inventory: &'a Inventory,
    /// Absent: nothing was matched, so that no finding means nothing.
    pub(crate) advisories: Option<Advisories>,
    /// Those that are listed, most urgent first.
    pub(crate) findings: Vec<&'a Finding>,
    /// How many findings are not listed because the user asked for fewer.
    pub(crate) hidden: usize,
    /// Vulnerabilities of Go modules that are none here: the packages that hold them are not linked.
    pub(crate) not_linked: &'a [NotLinked],
    /// What could not be matched.
    pub(crate) unmatched: &'a [Unanalysed],
    /// Absent: nothing was demanded.
    pub(crate) verdict: Option<Judged<'a>>,
    /// When this was written.
    pub(crate) now: DateTime<Utc>,
}

/// The index that was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advisories {
    pub(crate) revision: u64,
    pub(crate) built: DateTime<Utc>,
}

/// A verdict, and by what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged<'a> {
    /// `policy`, or the option that stands for one.
    pub(crate) by: &'a str,
    pub(crate) verdict: &'a Verdict,
}

/// One package with its findings, most urgent first.
pub(crate) type Group<'a> = (&'a AffectedPackage, Vec<&'a Finding>);

impl Report<'_> {
    /// What could not be read, and what could not be matched.
    pub(crate) fn unanalysed(&self) -> impl Iterator<Item = &Unanalysed> {
        self.inventory.unanalysed.iter().chain(self.unmatched)
    }

    /// How long the distribution's release is mended, if that is known.
    pub(crate) fn support(&self) -> Option<Support> {
        support(self.inventory.os.as_ref()?, self.now)
    }

    /// The distribution and its last day, if its support has ended: a finding of its own, of no severity.
    pub(crate) fn out_of_support(&self) -> Option<(&OperatingSystem, NaiveDate)> {
        let support = self.support().filter(|support| support.ended)?;
        Some((self.inventory.os.as_ref()?, support.until))
    }

    /// Special files by kind, the most alarming kind first; a kind without any is left out.
    pub(crate) fn special_files(&self) -> Vec<(SpecialFileKind, Vec<&SpecialFile>)> {
        let files = &self.inventory.files;
        let kinds = ALARMING.into_iter().map(|kind| {
            let of_kind: Vec<&SpecialFile> = files.iter().filter(|file| file.kind == kind).collect();
            (kind, of_kind)
        });
        kinds.filter(|(_, files)| !files.is_empty()).collect()
    }

    pub(crate) fn counts(&self) -> SeverityCounts {
        self.findings.iter().map(|finding| finding.severity).collect()
    }

    /// How many severities come from where.
    pub(crate) fn sources(&self) -> BTreeMap<SeveritySource, usize> {
        let mut sources = BTreeMap::new();
        for finding in &self.findings {
            *sources.entry(finding.severity_source).or_insert(0) += 1;
        }
        sources
    }

    /// In the order of each package's most urgent finding.
    pub(crate) fn by_package(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut places = HashMap::new();
        for finding in &self.findings {
            let place = *places.entry(&finding.package).or_insert_with(|| {
                groups.push((&finding.package, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, group)) = groups.get_mut(place) {
                group.push(finding);
            }
        }
        groups
    }

    /// When the image was made, else when this was written: documents about one image stay equal.
    pub(crate) fn dated(&self) -> String {
        let time = self.inventory.image.created.unwrap_or(self.now);
        time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// What an intruder left behind, then what one would look for first.
const ALARMING: [SpecialFileKind; 6] = [
    SpecialFileKind::Miner,
    SpecialFileKind::PrivateKey,
    SpecialFileKind::Setuid,
    SpecialFileKind::Capabilities,
    SpecialFileKind::Setgid,
    SpecialFileKind::WorldWritable,
];

/// `critical 1`, `high 20`: the severities that occur, worst first.
pub(crate) fn occurring(counts: &SeverityCounts) -> Vec<(Severity, u32)> {
    let numbers = [counts.critical, counts.high, counts.medium, counts.low, counts.unknown];
    Severity::ALL.into_iter().zip(numbers).filter(|(_, number)| *number > 0).collect()
}

/// Who said how severe it is, in a few words.
pub(crate) fn said_by(source: SeveritySource) -> &'static str {
    match source {
        SeveritySource::Advisory => "the advisory",
        SeveritySource::SameCve => "another advisory about the CVE",
        SeveritySource::Vendor => "the distribution",
        SeveritySource::CveFile => "the file of CVEs",
        SeveritySource::None => "nobody",
    }
}

/// `Pass`, `Fail` or `Unknown`.
pub(crate) fn result(compliance: Compliance) -> &'static str {
    match compliance {
        Compliance::Compliant => "Pass",
        Compliance::Violating => "Fail",
        Compliance::Unknown => "Unknown",
    }
}

/// 81 is `8.1`.
pub(crate) fn cvss(tenths: u8) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
