//! `serve`: runs the gateway until a signal stops it.

mod demo;
mod discovery;
mod signals;
mod talk;

use std::io::ErrorKind;

use tokio::runtime::{Builder, Runtime};

use crate::args::ServeArgs;
use crate::compose::AssembleError;
use crate::failure::{Failure, causes};
use crate::gate::{Gate, StartError};
use crate::logging;
use crate::settings::{Environment, Loaded, Settings};
use demo::Demo;
use signals::Signals;

/// Serves; returns once everything is stored.
pub(super) fn serve(asked: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    let demo = asked.demo.then(Demo::new).transpose()?;
    let mut flags = asked.flags.clone();
    flags.extend(demo.iter().flat_map(Demo::flags));
    let loaded = Loaded::from(&asked.config, environment, &flags)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let _logging = logging::start(&loaded.settings.log, environment);
    let runtime = runtime()?;
    let outcome = runtime.block_on(run(&loaded.settings, demo.as_ref(), environment));
    // What still runs after a second signal is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn run(
    settings: &Settings,
    demo: Option<&Demo>,
    environment: &Environment,
) -> Result<(), Failure> {
    let mut signals = Signals::new()
        .map_err(|error| Failure::start(format!("cannot listen for signals: {error}")))?;
    let gate = Gate::open(settings)
        .await
        .map_err(|error| failure(&error))?;
    if gate.is_exposed() {
        tracing::warn!(server.url = gate.url(), "{EXPOSED}");
    }
    talk::listening(&gate.url());
    let guide = talk::Guide::new(&gate.local_url(), environment);
    match demo {
        Some(demo) => talk::demo(&guide, &demo.fill(&gate.assembled).await?),
        None => talk::welcome(&guide, &gate.assembled),
    }
    let console = gate.assembled.app.console.clone();
    let discovery = discovery::at_start(&console, settings.sync.on_start && demo.is_none(), &guide);
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let serving = gate.serve(async {
        // The other end only goes when it sends.
        let _told = stopping.await;
    });
    tokio::select! {
        () = serving => {
            tracing::info!("stopped");
            Ok(())
        }
        () = signals.twice(stop) => Err(Failure::start("stopped at once by a second signal: running requests were cut off")),
        never = discovery => match never {},
    }
}

const EXPOSED: &str = "EXPOSED: other machines can reach this address and nothing encrypts what they send, API keys included. \
    Set server.tls, or put a proxy with TLS in front and name it in server.trusted_proxies";

/// As many threads as the machine has cores.
fn runtime() -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name("modelgate")
        .enable_all()
        .build();
    runtime.map_err(|error| Failure::start(format!("cannot start: {error}")))
}

fn failure(error: &StartError) -> Failure {
    match error {
        StartError::Listen { address, source } if source.kind() == ErrorKind::AddrInUse => {
            Failure::start(format!(
                "{address} is taken by another program: choose another with --listen HOST:PORT or server.port"
            ))
        }
        StartError::Listen { .. } => Failure::start(format!(
            "{}: choose another with --listen HOST:PORT",
            causes(error)
        )),
        StartError::Tls(_) | StartError::Assemble(AssembleError::Settings(_)) => {
            Failure::usage(causes(error))
        }
        StartError::Assemble(AssembleError::Data(source)) => Failure::database(causes(&**source)),
    }
}
