//! Ingress beside its ceilings and its peers, in one run.
//!
//! Every candidate is a process of its own and gets the same deliveries over the same kind of
//! connections, one candidate after the other in rounds, so that what drifts drifts for all.
//! Ratios to the ceiling of the same round are the result; absolute figures are one machine's.

#[path = "../common/bodies.rs"]
mod bodies;
mod ceiling;
mod daemon;
mod load;
mod peers;
mod plain_log;
mod process;
mod report;
mod stage;

use process::Cores;
use stage::Stage;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The first argument that makes this program a ceiling: then the secret and, if there is one, the
/// file to append to.
const SERVE: &str = "--serve-ceiling";
/// Senders at a time, unless the arguments say otherwise.
const CONNECTIONS: usize = 64;

/// How long and how often.
#[derive(Clone)]
struct Bounds {
    rounds: usize,
    /// New deliveries in a round.
    deliveries: usize,
    /// Longest time for a candidate in a round.
    slice: Duration,
    connections: usize,
    /// Another daemon to be measured beside ours: an older one, for example.
    other: Option<String>,
    /// Only new deliveries to the daemons, for a profile.
    is_alone: bool,
}

impl Bounds {
    fn of(arguments: &[String]) -> Self {
        let is_quick = arguments.iter().any(|argument| argument == "--quick");
        let value = |name: &str| arguments.iter().find_map(|a| a.strip_prefix(name));
        let (rounds, deliveries, slice_ms) = if is_quick {
            (2, 1500, 300)
        } else {
            (7, 4500, 700)
        };
        Self {
            rounds,
            deliveries,
            slice: Duration::from_millis(slice_ms),
            connections: value("--connections=")
                .and_then(|number| number.parse().ok())
                .unwrap_or(CONNECTIONS),
            other: value("--other=").map(str::to_owned),
            is_alone: arguments.iter().any(|argument| argument == "--new"),
        }
    }

    fn warm_up(&self) -> Self {
        Self {
            deliveries: self.deliveries / 4,
            slice: self.slice / 4,
            ..self.clone()
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = if arguments.first().is_some_and(|first| first == SERVE) {
        let secret = arguments.get(1).cloned().unwrap_or_default();
        ceiling::serve(secret, arguments.get(2).map(PathBuf::from))
    } else if arguments.iter().any(|argument| argument == "--bench") {
        run(&Bounds::of(&arguments))
    } else {
        // `cargo test --benches` only wants to know that it starts.
        Ok(())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(bounds: &Bounds) -> io::Result<()> {
    let cores = Cores::halves()?;
    cores.take_load()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .worker_threads(cores.load.len())
        .enable_all()
        .build()?;
    runtime.block_on(measure(bounds, &cores))
}

async fn measure(bounds: &Bounds, cores: &Cores) -> io::Result<()> {
    // Below `target`: the system's directory for such things may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut stage = Stage::set(bounds, cores, dir.path()).await?;
    // The first deliveries to a server take longer than those to come: they are not counted.
    stage.round(&bounds.warm_up()).await?;
    stage.forget();
    let (servers, load) = (cores.servers.len(), cores.load.len());
    println!(
        "{} connections, {} rounds of {:?} with {} new deliveries; cores: {servers} for the \
         servers, {load} for the load",
        bounds.connections, bounds.rounds, bounds.slice, bounds.deliveries,
    );
    for _ in 0..bounds.rounds {
        stage.round(bounds).await?;
    }
    stage.report();
    Ok(())
}
