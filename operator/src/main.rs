//! Starts the operator's rooms and ends them in order.

use std::{net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use breakwater_operator::{
    clock::Clock,
    config::{self, Config},
    context::Context,
    controllers::{imagepolicy, runtimebaseline, scanjob},
    evaluate::{self, PolicyStore, Verdicts},
    intake,
    inventory::{self, Images},
    kube::{
        door,
        events::Events,
        health,
        lease::{self, Leadership},
        nesting,
        runner::WATCH_TIMEOUT,
        shutdown::{self, GRACE, Tasks},
        termination, tls,
    },
    mitigation::Mitigation,
    rescan,
    store::{self, Pins, Store},
    workloads::Workloads,
};
use clap::Parser;
use kube::client::ClientBuilder;
use tokio::sync::{oneshot, watch};
use tower::util::MapResponseLayer;
use tracing_subscriber::EnvFilter;

/// The Breakwater operator: judges what runs in a cluster, and acts on it where it was told to.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// The namespace the operator lives in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "breakwater-system")]
    namespace: String,
    /// This replica's name, unique among all that ever ran: the pod's name.
    #[arg(long, env = "POD_NAME")]
    instance: String,
    /// Where scan pods deliver, over HTTPS.
    #[arg(long, default_value = "0.0.0.0:8443")]
    intake_address: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served, over plain HTTP.
    #[arg(long, default_value = "0.0.0.0:8080")]
    health_address: SocketAddr,
    /// What is logged: `info`, or per module as in `info,breakwater_operator::mitigation=debug`.
    #[arg(long, env = "BREAKWATER_LOG", default_value = "info")]
    log: String,
}

fn main() -> ExitCode {
    let message = Path::new(termination::MESSAGE_PATH);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            if error.use_stderr() {
                termination::record_failure(message, &error.to_string());
            }
            error.exit()
        }
    };
    // Before there is a log that it can go to, a reason goes to standard error by itself.
    if let Err(error) = log(&arguments.log) {
        let reason = format!("{error:#}");
        eprintln!("the operator ends: {reason}");
        termination::record_failure(message, &reason);
        return ExitCode::FAILURE;
    }
    termination::report_panics(message);
    match start(arguments) {
        Ok(()) => {
            termination::record_stop(message);
            ExitCode::SUCCESS
        }
        Err(error) => {
            termination::record_failure(message, &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn log(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!(
            "--log {filter:?} is not a filter: a level (info) or levels of modules (info,hyper=debug) are"
        )
    })?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("another TLS provider is installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(run(arguments));
    // Whatever still runs writes nothing more: the lease is given back.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let client = connect().await?;
    let context = Context::new(client, &arguments.namespace, &arguments.instance, Config::default());
    let events = Events::new(context.clone());
    let (term, leadership) = Leadership::new(Clock);
    let (ready, readiness) = watch::channel(false);
    let mut tasks = Tasks::new(context.stop.clone());
    // First of all, so that a start that takes long can be watched, and ended.
    tasks.spawn("signals", shutdown::on_signal(context.stop.clone()));
    tasks.spawn("health", health::serve(context.clone(), arguments.health_address, readiness));

    door::check(&context.client).await?;
    config::load(&context, &events).await.context("reading the configuration")?;
    let identity = tls::establish(&context).await?;
    let store = Store::open(&context)?;
    let workloads = Workloads::start(&context);
    let images = Images::start(&context, store.clone(), &workloads, leadership.clone());
    let policies = PolicyStore::start(&context);
    let verdicts = evaluate::start(&context, &policies, &workloads, &images);

    let pins = Pins::default();
    let in_use = {
        let (workloads, images, pins) = (workloads.clone(), images.clone(), pins.clone());
        move |now| {
            let known = workloads.is_ready() && images.is_ready();
            let mut digests = pins.get().filter(|_| known)?;
            digests.extend(inventory::in_use(&workloads.all(), &images.scans(), now));
            digests.extend(images.repositories());
            Some(digests)
        }
    };
    let maintenance = store::maintain(context.clone(), store.clone(), leadership.clone(), in_use);
    context.background.spawn("report store", maintenance);

    tasks.spawn("background", context.background.clone().watch());
    tasks.spawn("configuration", config::follow(context.clone(), events.clone()));
    tasks.spawn("certificates", tls::keep(context.clone(), identity.clone()));
    let router = intake::router(context.clone(), store.clone());
    tasks.spawn(
        "intake",
        intake::serve(arguments.intake_address, identity.server_config()?, router, context.stop.clone()),
    );

    // The lease is given back only after whatever acts for the leader has ended.
    let (ended, idle) = oneshot::channel::<()>();
    let rooms = Rooms {
        context: context.clone(),
        events,
        leadership,
        store,
        workloads,
        images,
        policies,
        verdicts,
        pins,
        ready,
    };
    tasks.spawn("leader", async move {
        let outcome = rooms.lead().await;
        drop(ended);
        outcome
    });
    let idle = async { drop(idle.await) };
    tasks.spawn("lease", lease::run_apart(context, term, idle, connect()));

    Ok(tasks.run(GRACE * 2).await?)
}

/// What is handed to the rooms that act.
struct Rooms {
    context: Context,
    events: Events,
    leadership: Leadership,
    store: Store,
    workloads: Workloads,
    images: Images,
    policies: PolicyStore,
    verdicts: Arc<Verdicts>,
    pins: Pins,
    ready: watch::Sender<bool>,
}

impl Rooms {
    /// Waits for the facts, then for the lease, then acts until the process is asked to stop.
    async fn lead(self) -> anyhow::Result<()> {
        let Self { context, events, leadership, store, workloads, images, policies, verdicts, pins, ready } =
            self;
        let stop = context.stop.clone();
        let prepared = async {
            workloads.ready().await;
            images.ready().await;
            policies.ready().await;
            ready.send_replace(true);
            tracing::info!("ready");
            leadership.acquired().await;
        };
        tokio::select! {
            () = prepared => {}
            () = stop.cancelled() => return Ok(()),
        }
        let mut tasks = Tasks::new(stop);
        let mitigation = Mitigation::default();
        let (c, w, i, l, e) = (&context, &workloads, &images, &leadership, &events);
        let p = &policies;
        let s = store.clone();
        let scans = scanjob::run(c.clone(), store, w.clone(), i.clone(), p.clone(), l.clone(), e.clone());
        tasks.spawn("scanjob", scans);
        let rooms = imagepolicy::Rooms {
            context: c.clone(),
            policies: p.clone(),
            verdicts: Arc::clone(&verdicts),
            workloads: w.clone(),
            images: i.clone(),
            mitigation: mitigation.clone(),
            store: s,
        };
        tasks.spawn("imagepolicy", imagepolicy::run(rooms, l.clone(), e.clone()));
        tasks.spawn("runtimebaseline", runtimebaseline::run(c.clone(), w.clone(), e.clone()));
        let rescans = rescan::run(c.clone(), w.clone(), i.clone(), p.clone(), l.clone());
        tasks.spawn("rescan", async {
            rescans.await;
            anyhow::Ok(())
        });
        tasks.spawn(
            "mitigation",
            mitigation.run(context, verdicts, workloads, images, leadership, events, pins),
        );
        Ok(tasks.run(GRACE).await?)
    }
}

/// A client that says who it is, and gives up on connections that went silent: longer than a watch lives, nothing is awaited.
async fn connect() -> anyhow::Result<kube::Client> {
    let mut config = kube::Config::infer().await.context("finding the API server")?;
    let agent = concat!("breakwater-operator/", env!("CARGO_PKG_VERSION"));
    config.headers.push((axum::http::header::USER_AGENT, axum::http::HeaderValue::from_static(agent)));
    config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_TIMEOUT) + 30));
    config.reset_reader_on_write = true;
    // Retries belong to those who know what is asked: a refused eviction is no failure, and is asked for again in its own time.
    config.default_retry = false;
    let client = ClientBuilder::try_from(config).context("making a client of the API server")?;
    Ok(client.with_layer(&MapResponseLayer::new(nesting::cut)).build())
}
