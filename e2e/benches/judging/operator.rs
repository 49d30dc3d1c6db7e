//! The operator under test: a process of the host, measured from outside.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use crate::workspace::{NAMESPACE, Workspace};

/// Clock ticks of `/proc/<pid>/stat` in a second: USER_HZ, 100 on every architecture that we build for.
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(crate) struct Operator {
    process: Child,
    ready_after: Duration,
}

impl Operator {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(workspace: &Workspace, directory: &Path) -> Self {
        let log = directory.join("operator.log");
        let (health, intake) = (free_port(), free_port());
        let start = Instant::now();
        let mut command = Command::new(workspace.program("breakwater-operator"));
        command
            .arg(format!("--namespace={NAMESPACE}"))
            .arg(format!("--instance=bench-{health}"))
            .arg(format!("--health-address=127.0.0.1:{health}"))
            .arg(format!("--intake-address=127.0.0.1:{intake}"))
            .stderr(File::create(&log).expect("a log"));
        let mut operator = Self { process: command.spawn().expect("it starts"), ready_after: Duration::ZERO };
        let url = format!("http://127.0.0.1:{health}/readyz");
        loop {
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            let ended = operator.process.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the operator ended: see {}", log.display());
            assert!(start.elapsed() < Duration::from_secs(120), "not ready in 120 s: see {}", log.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        operator.ready_after = start.elapsed();
        operator
    }

    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Processor seconds since its start, of all its threads, those that ended included.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        // The name in parentheses may itself hold blanks. After it: state, then user and system time as the 12th and 13th.
        let fields = stat.rsplit_once(')').expect("proc(5)").1;
        let ticks =
            fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("a number"));
        ticks.sum::<f64>() / TICKS
    }

    /// Megabytes.
    pub(crate) fn anonymous_memory(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("proc(5)");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1_024.0 / 1e6
    }

    /// Asks it to end, so that it stores what it holds.
    pub(crate) async fn stop(mut self) {
        let pid = self.process.id().to_string();
        Command::new("kill").arg(&pid).status().expect("kill(1)");
        let start = Instant::now();
        while self.process.try_wait().expect("it is our child").is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "the operator does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).expect("the operator runs")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
