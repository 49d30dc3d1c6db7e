//! Thousands of nodes and pods that only the API server knows, for tests of size.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kubeconfig::ADMIN;
use crate::node::Node;
use crate::program::Program;
use crate::{Kubectl, Layout, Progress, Result, clock};

const KWOK: &str = "kwok";

/// On every such node: as a label for selectors, as an annotation for kwok, as a taint so that only pods that ask for
/// it are put there.
const MARK: &str = "kwok.x-k8s.io/node";

/// Makes their number `nodes`.
pub(crate) fn scale(
    layout: &Layout,
    node: &Node<'_>,
    kubectl: &Kubectl,
    nodes: u16,
    progress: &Progress,
) -> Result<()> {
    let mark = format!("{MARK}=fake");
    if node.running(KWOK).is_err() && nodes > 0 {
        let program = Program::Kwok.build(layout, progress)?;
        let words = [
            program.display().to_string(),
            format!("--kubeconfig={}", layout.kubeconfig(ADMIN).display()),
            format!("--config={}", layout.e2e().join("cluster/kwok/stages.yaml").display()),
            "--manage-all-nodes=false".to_owned(),
            format!("--manage-nodes-with-annotation-selector={mark}"),
            "--node-lease-duration-seconds=40".to_owned(),
            // In the private range that no pod of the real node uses.
            format!("--cidr={}", layout.index.kwok_pods()),
        ];
        node.start(KWOK, words)?;
    }
    progress.step(&format!("{nodes} kwok nodes"), || {
        let wanted: Vec<String> = (0..nodes).map(|number| format!("kwok-{number:05}")).collect();
        let present = kubectl.output(["get", "nodes", "--selector", &mark, "-o", "name"])?;
        let surplus: Vec<&str> = present
            .lines()
            .filter_map(|line| line.strip_prefix("node/"))
            .filter(|name| !wanted.iter().any(|other| other == name))
            .collect();
        if !surplus.is_empty() {
            kubectl.output(["delete", "nodes"].into_iter().chain(surplus))?;
        }
        if nodes == 0 {
            return node.stop(KWOK, Duration::from_secs(5));
        }
        let items: Vec<Value> = wanted.iter().map(|name| fake(name)).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        kubectl.output_of(["apply", "--server-side", "-f", "-"], &list)?;
        let ready = r#"jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
        clock::wait("kwok nodes Ready", Duration::from_secs(120), || {
            let all = kubectl.output(["get", "nodes", "--selector", &mark, "-o", ready]).unwrap_or_default();
            all.lines().filter(|status| *status == "True").count() == usize::from(nodes)
        })
    })
}

fn fake(name: &str) -> Value {
    let room = json!({"cpu": "64", "memory": "512Gi", "pods": "500"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {MARK: "fake"},
            "labels": {MARK: "fake", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        },
        "spec": {"taints": [{"key": MARK, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room},
    })
}
