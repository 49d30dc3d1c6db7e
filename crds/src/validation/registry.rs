use breakwater_core::{
    ImageReference,
    glob::Glob,
    policy::{RegistrySource, RepositorySource},
    printable,
    schedule::{Recurrence, Schedule},
};
use chrono::TimeDelta;

use super::{problem::Fault, report::Report, text};
use crate::imagepolicy::{self, Registry, Repository};

/// How many images one run takes unless the spec says otherwise.
const MAX_IMAGES: i32 = 500;
/// Tags that are no images but what is attached to them (cosign's naming).
const ATTACHMENTS: [&str; 3] = ["*.sig", "*.att", "*.sbom"];

pub(super) fn sources(registries: &[Registry], report: &mut Report) -> Vec<RegistrySource> {
    let mut sources = Vec::new();
    for (position, registry) in registries.iter().enumerate() {
        let path = format!("spec.registries[{position}]");
        let host = report.take(&format!("{path}.url"), host(&registry.url)).unwrap_or_default();
        if registry.repositories.is_empty() {
            report.say(format!("{path}.repositories"), Fault::TooFew { count: 0, min: 1 });
        }
        sources.push(RegistrySource {
            name: registry.name.clone(),
            host: host.clone(),
            mirrors: report.each(&format!("{path}.mirrors"), &registry.mirrors, |url| self::host(url)),
            repositories: registry
                .repositories
                .iter()
                .enumerate()
                .map(|(n, r)| repository(&format!("{path}.repositories[{n}]"), &host, r, report))
                .collect(),
            platforms: report.each(&format!("{path}.platforms"), &registry.platforms, text::platform),
            auth_secret: registry.auth_secret_ref.as_ref().map(|secret| secret.name.clone()),
            service_account: registry.service_account_name.clone(),
            ca_secret: registry.ca_secret_ref.as_ref().map(|secret| secret.name.clone()),
            max_images: text::unsigned(registry.max_images.unwrap_or(MAX_IMAGES)),
        });
    }
    sources
}

/// Host and port in their canonical spelling.
fn host(url: &str) -> Result<String, Fault> {
    let fault = || Fault::Registry(printable::line(url, 100));
    let host = url.strip_prefix("https://").ok_or_else(fault)?;
    let host = host.strip_suffix('/').unwrap_or(host);
    if host.contains('/') || !(host.contains(['.', ':']) || host == "localhost") {
        return Err(fault());
    }
    format!("{host}/x/x").parse::<ImageReference>().map(|reference| reference.registry).map_err(|_| fault())
}

fn repository(path: &str, host: &str, repository: &Repository, report: &mut Report) -> RepositorySource {
    // A host that cannot be read has been said; the repository is read against any other.
    let host = if host.is_empty() { "registry.invalid" } else { host };
    let name = format!("{host}/{}", repository.name).parse::<ImageReference>();
    report.take(&format!("{path}.name"), name);
    let tags = repository.tags.clone().unwrap_or_default();
    let versions = tags.semver.as_deref().and_then(|range| {
        let fault = |_| Fault::VersionRange(printable::line(range, 60));
        report.take(&format!("{path}.tags.semver"), range.parse::<semver::VersionReq>().map_err(fault))
    });
    let mut exclude = report.each(&format!("{path}.tags.exclude"), &tags.exclude, text::glob);
    if tags.exclude.is_empty() {
        exclude.extend(ATTACHMENTS.iter().filter_map(|pattern| Glob::new(pattern).ok()));
    }
    RepositorySource {
        name: repository.name.clone(),
        include: report.each(&format!("{path}.tags.include"), &tags.include, text::glob),
        exclude,
        versions,
        newest: tags.newest.map(text::unsigned),
    }
}

pub(super) fn schedule(schedule: &imagepolicy::Schedule, report: &mut Report) -> Option<Schedule> {
    let path = "spec.schedule";
    let recurrence = match (&schedule.cron, &schedule.interval) {
        (Some(cron), None) => {
            let recurrence = Recurrence::cron(cron, schedule.time_zone.as_deref());
            let field = match &recurrence {
                Err(breakwater_core::schedule::InvalidSchedule::TimeZone(_)) => "timeZone",
                _ => "cron",
            };
            report.take(&format!("{path}.{field}"), recurrence)
        }
        (None, Some(interval)) => {
            let path = format!("{path}.interval");
            report
                .take(&path, text::duration(interval))
                .and_then(|i| report.take(&path, Recurrence::every(i)))
        }
        _ => {
            report.say(path, Fault::ExactlyOne("cron and interval"));
            None
        }
    };
    if schedule.time_zone.is_some() && schedule.cron.is_none() {
        let fault = "timeZone belongs to cron; an interval has none";
        report.say(format!("{path}.timeZone"), Fault::Contradiction(fault));
    }
    let jitter = schedule.jitter.as_deref().map_or(Ok(TimeDelta::zero()), text::duration);
    let jitter = report.take(&format!("{path}.jitter"), jitter);
    let starting_deadline = schedule
        .starting_deadline
        .as_deref()
        .and_then(|deadline| report.take(&format!("{path}.startingDeadline"), text::some_time(deadline)));
    Some(Schedule { recurrence: recurrence?, jitter: jitter?, starting_deadline })
}
