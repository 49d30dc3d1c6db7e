//! `breakwater explain`: why a workload is judged as it is, by which policy, and what comes next. Says what the statuses say; it does
//! not judge anew.

use anyhow::Context;
use breakwater_core::{ImageReference, policy, printable::line};
use breakwater_crds::names::annotations;
use breakwater_crds::{ImagePolicy, ScanJob};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams};

use super::Target;
use crate::arguments::OnWorkload;
use crate::terminal::{Palette, count};

/// The most objects of a kind that are read.
const MAX_OBJECTS: u32 = 500;
/// How many findings of one image are shown.
const MAX_FINDINGS: usize = 5;
const WIDTH: usize = 80;

pub(crate) async fn explain(arguments: &OnWorkload) -> anyhow::Result<()> {
    let target = Target::connect(arguments).await?;
    let palette = Palette::of_stdout();
    let workload = target.get().await?;
    println!("{}", palette.bold(&target.reference()));
    for image in images(&workload) {
        println!("  runs {}", line(&image, WIDTH - 7));
    }
    if let Some(hold) = workload.annotations().get(annotations::HOLD_UNTIL) {
        println!("  held: {}", line(hold, WIDTH - 8));
    }
    let policies = policies(&target).await?;
    let spoken = policies.iter().filter(|policy| self::policy(&target, policy, palette)).count();
    if spoken == 0 {
        println!(
            "\nno policy reports a violation or a mitigation of it ({} read)",
            count(policies.len(), "policy")
        );
    }
    let running = running(&target, &workload).await;
    scans(&target, &images(&workload), &running, palette).await
}

/// All policies that may be read: those of the cluster, else those of the namespace.
async fn policies(target: &Target) -> anyhow::Result<Vec<ImagePolicy>> {
    let limit = ListParams::default().limit(MAX_OBJECTS);
    let all = Api::<ImagePolicy>::all(target.client.clone()).list(&limit).await;
    let listed = match all {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Api::<ImagePolicy>::namespaced(target.client.clone(), &target.namespace).list(&limit).await
        }
        other => other,
    };
    let listed = listed.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 404 => {
            anyhow::anyhow!("this cluster does not know ImagePolicies: Breakwater is not installed")
        }
        other => anyhow::Error::from(other),
    });
    Ok(listed.context("cannot list ImagePolicies")?.items)
}

/// Prints what one policy says of the workload; whether it says anything.
fn policy(target: &Target, policy: &ImagePolicy, palette: Palette) -> bool {
    let Some(status) = &policy.status else { return false };
    let violation = status.violations.iter().find(|entry| {
        entry.kind == target.kind && entry.namespace == target.namespace && entry.name == target.name
    });
    let mitigations: Vec<_> =
        status.mitigations.iter().filter(|entry| entry.workload == target.reference()).collect();
    if violation.is_none() && mitigations.is_empty() {
        return false;
    }
    let name = format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any());
    println!("\n{}", palette.bold(&format!("policy {name}")));
    if let Some(violation) = violation {
        let since = violation
            .since
            .map_or(String::new(), |since| format!(" since {}", since.get().format("%F %R UTC")));
        println!("  violating{since}");
        for rule in &violation.rules {
            println!("    {rule}  {}", policy::check(rule).map_or("", |check| check.title));
        }
    }
    for mitigation in mitigations {
        println!("  {:?} ({:?}): {}", mitigation.action, mitigation.mode, line(&mitigation.state, 40));
        if !mitigation.reason.is_empty() {
            println!("    {}", line(&mitigation.reason, 300));
        }
        if let Some(replicas) = mitigation.previous_replicas {
            println!("    replicas before: {replicas}; `breakwater undo` restores them");
        }
        if let Some(until) = mitigation.until {
            println!("    next step at {}", until.get().format("%F %R UTC"));
        }
    }
    true
}

/// The digests that nodes report for the workload's pods: Breakwater asks for digests, templates mostly name tags. None where pods
/// may not be read or none is left.
async fn running(target: &Target, workload: &DynamicObject) -> Vec<String> {
    let labels = workload.data.pointer("/spec/selector/matchLabels").and_then(serde_json::Value::as_object);
    let Some(labels) = labels else { return Vec::new() };
    let pairs = labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let selected = ListParams::default().limit(MAX_OBJECTS).labels(&pairs.collect::<Vec<_>>().join(","));
    let pods = Api::<Pod>::namespaced(target.client.clone(), &target.namespace).list(&selected).await;
    let statuses = pods.into_iter().flatten().filter_map(|pod| pod.status);
    let mut digests: Vec<String> = statuses
        .flat_map(|status| status.container_statuses.unwrap_or_default())
        .filter_map(|container| Some(container.image_id.rsplit_once('@')?.1.to_owned()))
        .collect();
    digests.sort_unstable();
    digests.dedup();
    digests
}

/// The newest finished scan of each image that the workload runs; of the same repository, if no pod is left to say which digest it was.
async fn scans(
    target: &Target,
    images: &[String],
    running: &[String],
    palette: Palette,
) -> anyhow::Result<()> {
    let limit = ListParams::default().limit(MAX_OBJECTS);
    let mut jobs = match Api::<ScanJob>::all(target.client.clone()).list(&limit).await {
        Ok(jobs) => jobs.items,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Api::<ScanJob>::namespaced(target.client.clone(), &target.namespace).list(&limit).await?.items
        }
        Err(error) => return Err(error).context("cannot list ScanJobs"),
    };
    jobs.retain(|job| job.status.as_ref().is_some_and(|status| status.completion_time.is_some()));
    jobs.sort_by_key(|job| std::cmp::Reverse(job.status.as_ref().and_then(|status| status.completion_time)));
    for image in images {
        let exact = jobs.iter().find(|job| is_about(job, image, running));
        let Some(job) =
            exact.or_else(|| jobs.iter().find(|job| running.is_empty() && is_of_repository(job, image)))
        else {
            println!("\nno finished ScanJob about {}", line(image, WIDTH - 26));
            continue;
        };
        let Some(status) = &job.status else { continue };
        println!("\n{}", palette.bold(&line(&format!("scan of {image}"), WIDTH)));
        println!("  ScanJob {}/{}", job.namespace().unwrap_or_default(), job.name_any());
        if let Some(summary) = &status.summary {
            println!(
                "  {} critical, {} high, {} medium, {} low, {} unknown in {}; {} can be mended",
                summary.critical,
                summary.high,
                summary.medium,
                summary.low,
                summary.unknown,
                count(usize::try_from(summary.packages).unwrap_or(0), "package"),
                summary.fixable_total
            );
        }
        for finding in status.top_findings.iter().take(MAX_FINDINGS) {
            let fixed =
                finding.fixed.as_deref().map_or("no fix".to_owned(), |fixed| format!("fixed in {fixed}"));
            let text = format!(
                "{} {} {} {}, {fixed}",
                finding.id, finding.severity, finding.package, finding.installed
            );
            println!("    {}", line(&text, WIDTH - 4));
        }
    }
    Ok(())
}

fn is_of_repository(job: &ScanJob, image: &str) -> bool {
    let name = |text: &str| text.parse().ok().map(|reference: ImageReference| reference.name());
    let of = job.spec.image.as_deref().and_then(name);
    of.is_some() && of == name(image)
}

/// By reference, or by a digest that the scan found behind its reference and the pods of that repository run.
fn is_about(job: &ScanJob, image: &str, running: &[String]) -> bool {
    let same = |left: &str, right: &str| {
        left == right || left.parse::<ImageReference>().ok() == right.parse().ok() && !left.is_empty()
    };
    let digest = image.split_once('@').map(|(_, digest)| digest);
    let target = job.status.as_ref().and_then(|status| status.target.as_ref());
    job.spec.image.as_deref().is_some_and(|of| same(of, image))
        || target.is_some_and(|target| {
            let digests = target.platforms.iter().filter_map(|platform| platform.digest.as_deref());
            let wanted = |found: &str| match digest {
                Some(digest) => found == digest,
                None => is_of_repository(job, image) && running.iter().any(|digest| found == digest),
            };
            digests.chain(target.index_digest.as_deref()).any(wanted)
        })
}

/// The images of its pod template.
fn images(workload: &DynamicObject) -> Vec<String> {
    let specs = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"];
    let Some(spec) = specs
        .iter()
        .find_map(|path| workload.data.pointer(path).filter(|spec| spec.get("containers").is_some()))
    else {
        return Vec::new();
    };
    let containers =
        ["initContainers", "containers"].iter().filter_map(|list| spec.get(list)?.as_array()).flatten();
    let mut images: Vec<String> =
        containers.filter_map(|container| container.get("image")?.as_str()).map(str::to_owned).collect();
    images.dedup();
    images
}
