//! Everything that is measured, and a round of it.

use crate::bodies;
use crate::daemon::Daemon;
use crate::load::{Delivery, Plan, Slice, drive};
use crate::peers::{self, Peer};
use crate::plain_log::PlainLog;
use crate::process::{Cores, Server};
use crate::report::{self, Tally};
use crate::{Bounds, SERVE};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The candidates besides the peers, in the order of the table.
const NAMES: [&str; 7] = [
    "ceiling: verify, answer",
    "durable ceiling: verify, append, sync, answer",
    "disk alone: append, sync",
    "hookherd, new, until answered",
    "hookherd, new, until processed",
    "hookherd, duplicate",
    "hookherd, forged",
];

/// Everything that is measured.
pub struct Stage {
    daemon: Daemon,
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
    pub async fn set(cores: &Cores, dir: &Path) -> io::Result<Self> {
        let daemon = Daemon::start(cores, dir).await?;
        let myself = std::env::current_exe()?.display().to_string();
        let ceiling = || -> Command {
            let mut command = Server::command(cores, &myself);
            command.args([SERVE, daemon.secret.expose()]);
            command
        };
        let durable = Server::start(ceiling().arg(dir.join("durable.log")))?;
        let ceiling = Server::start(&mut ceiling())?;
        let peers = peers::start(cores, dir, &daemon)?;
        let names = NAMES.into_iter().chain(peers.iter().map(|peer| peer.name));
        let tallies = names.map(Tally::new).collect();
        Ok(Self {
            daemon,
            ceiling,
            durable,
            peers,
            log: PlainLog::create(&dir.join("plain.log"))?,
            tallies,
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

    /// Deliveries that nobody has seen yet.
    fn deliveries(&mut self, count: usize) -> Arc<Vec<Delivery>> {
        let Daemon {
            path,
            secret,
            repository,
            ..
        } = &self.daemon;
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
            deliveries: self.deliveries(bounds.deliveries),
            first: bounds.deliveries,
            repeats: true,
            forged: false,
            status: 202,
            connections: bounds.connections,
            lasts: bounds.slice,
        };
        let to = |address: SocketAddr| Plan {
            address,
            ..plan.clone()
        };
        let slice = drive(plan.clone(), self.ceiling.cpu()).await?;
        self.tallies[0].add(&slice);
        let slice = drive(to(self.durable.address), self.durable.cpu()).await?;
        self.tallies[1].add(&slice);
        self.tallies[2].add(&append_all(&self.log, &plan).await?);
        let address = self.daemon.server.address;
        let first = self
            .accept(Plan {
                repeats: false,
                ..to(address)
            })
            .await?;
        for (place, status, forged) in [(5, 200, false), (6, 401, true)] {
            let plan = Plan {
                first,
                forged,
                status,
                ..to(address)
            };
            let slice = drive(plan, self.daemon.server.cpu()).await?;
            self.tallies[place].add(&slice);
        }
        for (place, peer) in (NAMES.len()..).zip(&self.peers) {
            let plan = Plan {
                status: 200,
                ..to(peer.server.address)
            };
            let slice = drive(plan, peer.server.cpu()).await?;
            self.tallies[place].add(&slice);
        }
        Ok(())
    }

    /// New deliveries, until they are answered and until they are processed. Says how many.
    async fn accept(&mut self, plan: Plan) -> io::Result<usize> {
        let (cpu, before) = (self.daemon.server.cpu(), self.daemon.processed().await?);
        let (used, begun) = (cpu.used()?, Instant::now());
        let slice = drive(plan, cpu).await?;
        let sent = slice.latencies.len();
        self.daemon.wait_processed(before + sent as u64).await?;
        let used = cpu.used()?.saturating_sub(used);
        self.tallies[3].add(&slice);
        self.tallies[4].add_round(sent, begun.elapsed(), Some(used));
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
