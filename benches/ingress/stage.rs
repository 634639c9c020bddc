//! Everything that is measured, and a round of it.

use crate::bodies;
use crate::daemon::{Besides, Daemon};
use crate::load::{Delivery, Plan, Slice, drive};
use crate::peers::{self, Peer};
use crate::plain_log::PlainLog;
use crate::process::{Cores, Server};
use crate::report::{self, Tally};
use crate::{Bounds, SERVE};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The candidates besides daemons and peers, in the order of the table.
const CEILINGS: [&str; 3] = [
    "ceiling: verify, answer",
    "durable ceiling: verify, append, sync, answer",
    "disk alone: append, sync",
];
/// What is measured of each daemon.
const OF_A_DAEMON: [&str; 4] = [
    "new, until answered",
    "new, until processed",
    "duplicate",
    "forged",
];

/// Everything that is measured.
pub struct Stage {
    daemons: Vec<Daemon>,
    ceiling: Server,
    durable: Server,
    peers: Vec<Peer>,
    log: PlainLog,
    tallies: Vec<Tally>,
    bodies: usize,
    body_bytes: usize,
}

impl Stage {
    /// Starts all servers; what they write goes below `dir`.
    pub async fn set(bounds: &Bounds, cores: &Cores, dir: &Path) -> io::Result<Self> {
        let mut names: Vec<String> = CEILINGS.map(str::to_owned).into();
        let mut daemons = Vec::new();
        let ours = env!("CARGO_BIN_EXE_hookherd");
        let programs = [
            (ours, "hookherd", Besides::Nothing),
            (ours, "hookherd with upkeep", Besides::Upkeep),
        ];
        let other = bounds.other.as_deref();
        let other = other.map(|other| (other, "the other one", Besides::Nothing));
        for (program, name, besides) in programs.into_iter().chain(other) {
            let dir = dir.join(name);
            std::fs::create_dir(&dir)?;
            daemons.push(Daemon::start(program, cores, &dir, besides).await?);
            names.extend(OF_A_DAEMON.map(|what| format!("{name}, {what}")));
        }
        let myself = std::env::current_exe()?.display().to_string();
        let ceiling = || -> Command {
            let mut command = Server::command(cores, &myself);
            command.args([SERVE, daemons[0].secret.expose()]);
            command
        };
        let durable = Server::start(ceiling().arg(dir.join("durable.log")))?;
        let ceiling = Server::start(&mut ceiling())?;
        let peers = peers::start(cores, dir, &daemons[0])?;
        names.extend(peers.iter().map(|peer| peer.name.to_owned()));
        Ok(Self {
            daemons,
            ceiling,
            durable,
            peers,
            log: PlainLog::create(&dir.join("plain.log"))?,
            tallies: names.iter().map(|name| Tally::new(name)).collect(),
            bodies: 0,
            body_bytes: 0,
        })
    }

    /// Forgets what was measured so far.
    pub fn forget(&mut self) {
        self.tallies.iter_mut().for_each(Tally::clear);
    }

    /// Prints what was measured.
    pub fn report(&self) {
        println!(
            "bodies of {} bytes in the mean\n",
            self.body_bytes / self.bodies.max(1)
        );
        report::print(&self.tallies);
    }

    /// Deliveries to a daemon that nobody has seen yet.
    fn deliveries(&mut self, daemon: usize, count: usize) -> Arc<Vec<Delivery>> {
        let Daemon {
            path,
            secret,
            repository,
            ..
        } = &self.daemons[daemon];
        let mut deliveries = Vec::with_capacity(count);
        for number in (self.bodies..).take(count) {
            let number = number as u64;
            let body = bodies::workflow_run(*repository, number);
            let id = bodies::digits(number, 32);
            self.body_bytes += body.len();
            deliveries.push(Delivery::new(path, *repository, &id, secret, body));
        }
        self.bodies += count;
        Arc::new(deliveries)
    }

    /// Measures each candidate once.
    pub async fn round(&mut self, bounds: &Bounds) -> io::Result<()> {
        let plan = Plan {
            address: self.ceiling.address,
            deliveries: self.deliveries(0, bounds.deliveries),
            first: bounds.deliveries,
            repeats: true,
            forged: false,
            status: 202,
            connections: bounds.connections,
            lasts: bounds.slice,
        };
        if !bounds.is_alone {
            let slice = drive(plan.clone(), self.ceiling.cpu()).await?;
            self.tallies[0].add(&slice);
            let durable = Plan {
                address: self.durable.address,
                ..plan.clone()
            };
            let slice = drive(durable, self.durable.cpu()).await?;
            self.tallies[1].add(&slice);
            self.tallies[2].add(&append_all(&self.log, &plan).await?);
        }
        for daemon in 0..self.daemons.len() {
            let deliveries = match daemon {
                0 => Arc::clone(&plan.deliveries),
                other => self.deliveries(other, bounds.deliveries),
            };
            let plan = Plan {
                address: self.daemons[daemon].server.address,
                deliveries,
                ..plan.clone()
            };
            self.measure_daemon(daemon, plan, bounds.is_alone).await?;
        }
        let first = CEILINGS.len() + self.daemons.len() * OF_A_DAEMON.len();
        for (place, peer) in (first..).zip(&self.peers).filter(|_| !bounds.is_alone) {
            let plan = Plan {
                status: 200,
                address: peer.server.address,
                ..plan.clone()
            };
            let slice = drive(plan, peer.server.cpu()).await?;
            self.tallies[place].add(&slice);
        }
        Ok(())
    }

    /// New deliveries, then the same ones again, then with a wrong signature.
    async fn measure_daemon(
        &mut self,
        number: usize,
        plan: Plan,
        only_new: bool,
    ) -> io::Result<()> {
        let place = CEILINGS.len() + number * OF_A_DAEMON.len();
        let new = Plan {
            repeats: false,
            ..plan.clone()
        };
        let first = self.accept(number, place, new).await?;
        let again = [(2, 200, false), (3, 401, true)].into_iter();
        for (what, status, forged) in again.filter(|_| !only_new) {
            let plan = Plan {
                first,
                forged,
                status,
                ..plan.clone()
            };
            let slice = drive(plan, self.daemons[number].server.cpu()).await?;
            self.tallies[place + what].add(&slice);
        }
        Ok(())
    }

    /// New deliveries, until they are answered and until they are processed. Says how many.
    async fn accept(&mut self, number: usize, place: usize, plan: Plan) -> io::Result<usize> {
        let daemon = &self.daemons[number];
        let (cpu, before) = (daemon.server.cpu(), daemon.processed().await?);
        let (used, begun) = (cpu.used()?, Instant::now());
        let slice = drive(plan, cpu).await?;
        let sent = slice.latencies.len();
        daemon.wait_processed(before + sent as u64).await?;
        let used = cpu.used()?.saturating_sub(used);
        self.tallies[place].add(&slice);
        self.tallies[place + 1].add_round(sent, begun.elapsed(), Some(used));
        Ok(sent)
    }
}

/// Appends the bodies to a plain file, as many at a time as there are connections. This runs on
/// the cores for the load, and its CPU time is not asked for.
async fn append_all(log: &PlainLog, plan: &Plan) -> io::Result<Slice> {
    let (next, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let writer = || {
        let (log, plan, next) = (log.clone(), plan.clone(), Arc::clone(&next));
        async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < plan.lasts {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let body = plan.deliveries[number % plan.first].body.clone();
                let sent = Instant::now();
                if !log.append(body).await {
                    return Err(io::Error::other("the plain log cannot be written"));
                }
                latencies.push(sent.elapsed());
            }
            Ok(latencies)
        }
    };
    let writers: Vec<_> = (0..plan.connections)
        .map(|_| tokio::spawn(writer()))
        .collect();
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.append(&mut writer.await.map_err(io::Error::other)??);
    }
    let took = begun.elapsed();
    Ok(Slice {
        took,
        cpu: None,
        latencies,
    })
}
