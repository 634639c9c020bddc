//! Servers as processes of their own, which cores they run on, and what CPU time they used.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The kernel tells CPU time in hundredths of a second, whatever its own clock.
const TICK: Duration = Duration::from_millis(10);

/// Which cores the servers have, and which the load: neither takes time from the other.
#[derive(Clone)]
pub struct Cores {
    pub servers: Vec<u32>,
    pub load: Vec<u32>,
}

impl Cores {
    /// The cores of this process, one half each. A machine with one core has to share it.
    pub fn halves() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let all = list.and_then(cores).filter(|all| !all.is_empty());
        let all = all.ok_or_else(|| io::Error::other("the kernel does not tell the cores"))?;
        let (servers, load) = all.split_at(all.len() / 2);
        let servers = if servers.is_empty() { load } else { servers };
        Ok(Self {
            servers: servers.to_vec(),
            load: load.to_vec(),
        })
    }

    /// Keeps this process, with the threads that it will start, on the cores for the load.
    pub fn take_load(&self) -> io::Result<()> {
        let (list, pid) = (listed(&self.load), std::process::id().to_string());
        let mut taskset = Command::new("taskset");
        let taskset = taskset
            .args(["-p", "-c", &list, &pid])
            .stdout(Stdio::null());
        if taskset.status()?.success() {
            Ok(())
        } else {
            Err(io::Error::other("taskset of util-linux failed"))
        }
    }
}

/// `0-2,5` as numbers.
fn cores(list: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in list.trim().split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        all.extend(from.parse::<u32>().ok()?..=to.parse().ok()?);
    }
    Some(all)
}

fn listed(cores: &[u32]) -> String {
    let cores: Vec<String> = cores.iter().map(u32::to_string).collect();
    cores.join(",")
}

/// The CPU time of a process.
#[derive(Clone, Copy)]
pub struct Cpu(u32);

impl Cpu {
    /// What all its threads, and the children it waited for, used so far in user and kernel.
    pub fn used(self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name in parentheses may hold anything. From the 12th field behind it: utime, stime,
        // and the same of children.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(4);
        let ticks: Result<Vec<u32>, _> = ticks.map(str::parse).collect();
        let ticks = ticks.map_err(io::Error::other)?;
        Ok(TICK * ticks.iter().sum())
    }
}

/// A running server. Dropping it ends the process.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// A command that runs `program` on the servers' cores and does not outlive us.
    pub fn command(cores: &Cores, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "taskset", "-c"]);
        command
            .args([&listed(&cores.servers), program])
            .stdin(Stdio::null());
        command
    }

    /// Starts a server that will listen on `address`.
    pub fn start_on(command: &mut Command, address: SocketAddr) -> io::Result<Self> {
        let child = command.spawn()?;
        Ok(Self { child, address })
    }

    /// Starts a server that says its address in the first line of its output.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let Ok(address) = line.trim().parse() else {
            // It ends by itself or now.
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other("a server did not start"));
        };
        Ok(Self { child, address })
    }

    /// Its CPU time: `setpriv` and `taskset` became the program, the process is the same.
    pub fn cpu(&self) -> Cpu {
        Cpu(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that is free now.
pub fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
