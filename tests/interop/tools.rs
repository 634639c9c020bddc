//! The tools: where they are, and processes of theirs that start when needed and end with the
//! test, whatever becomes of it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time that a tool may take to listen: prism needs 3 s on an idle machine.
const READY_TIME_MAX: Duration = Duration::from_mins(1);

/// Longest life of a client, in seconds, so that none outlives a test that hangs.
const CLIENT_TIME_MAX_S: &str = "180";

/// Where `setup.sh` puts what it fetches and makes.
pub(crate) fn out_dir() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = tmp.parent().expect("cargo's tmp is a folder of target");
    target.join("interop")
}

/// The folder of these tests in the source tree.
pub(crate) fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// Fails the test, telling what to run, unless `setup.sh` has run since the tools changed.
pub(crate) fn require() {
    let wanted = fs::read(source_dir().join("package-lock.json")).expect("it is committed");
    let installed = fs::read(source_dir().join("node_modules/.hookherd-lock"));
    let is_current = installed.is_ok_and(|installed| installed == wanted);
    let made = ["node", "corpus.jsonl", "openapi.json", "alertmanager/ready"];
    let is_made = made.iter().all(|name| out_dir().join(name).exists());
    let is_there = |(tool, list): (&str, &str)| {
        let wanted = fs::read(source_dir().join(list)).expect("it is committed");
        let installed = fs::read(out_dir().join(tool).join(".hookherd-requirements"));
        installed.is_ok_and(|installed| installed == wanted)
    };
    let python = [
        ("python", "clients/requirements.txt"),
        ("schemathesis", "schemathesis.txt"),
    ];
    let has_python = python.into_iter().all(is_there);
    assert!(
        is_current && is_made && has_python,
        "the interop tools are missing or outdated: run tests/interop/setup.sh"
    );
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

/// A client of `clients/`, ready to start: Node runs `.mjs`, Python the others.
pub(crate) fn client(script: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "timeout", CLIENT_TIME_MAX_S]);
    let is_node = Path::new(script)
        .extension()
        .is_some_and(|kind| kind == "mjs");
    if is_node {
        command.arg(out_dir().join("node"));
    } else {
        command.arg("python3");
        command.env("PYTHONPATH", out_dir().join("python"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
    }
    command.arg(source_dir().join("clients").join(script));
    // Loopback is no matter of a proxy.
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    command
}

/// A running tool. Dropping it ends the process.
pub(crate) struct Tool {
    child: Child,
    log: PathBuf,
    url: String,
}

impl Tool {
    /// Starts `script` of a Node package on a free port (`{port}` in `args`) and waits until it
    /// listens. What it prints goes to `target/interop/NAME.log`.
    pub(crate) fn start(name: &str, script: &str, args: &[&str]) -> Self {
        let (node, script) = (
            out_dir().join("node"),
            source_dir().join("node_modules").join(script),
        );
        let path = |path: &Path| path.to_str().expect("the path is text").to_owned();
        let (node, script) = (path(&node), path(&script));
        let args = [&[script.as_str()], args].concat();
        Self::program(name, &source_dir(), &node, &args)
    }

    /// The same with any program, started in this directory.
    pub(crate) fn program(name: &str, dir: &Path, program: &str, args: &[&str]) -> Self {
        require();
        let port = free_port();
        let log = out_dir().join(format!("{name}.log"));
        let output = File::create(&log).expect("target is writable");
        let errors = output.try_clone().expect("the handle can be copied");
        // Ends with us even when we are killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(args.iter().map(|a| a.replace("{port}", &port.to_string())))
            .current_dir(dir)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .expect("setpriv of util-linux is installed");
        let url = format!("http://127.0.0.1:{port}");
        let mut tool = Self { child, log, url };
        tool.wait_until_listening(port);
        tool
    }

    /// GitHub's description as a server: checks what is asked, answers with GitHub's examples, some
    /// of which do not fit GitHub's description.
    pub(crate) fn prism_mock(name: &str) -> Self {
        Self::prism(name, &["mock"], &[])
    }

    /// Passes on what is asked to `upstream` and checks both sides against GitHub's description.
    /// Does not interfere, because some answers of emulate do not fit.
    pub(crate) fn prism_proxy(name: &str, upstream: &str) -> Self {
        Self::prism(name, &["proxy"], &[upstream])
    }

    /// The same, but a request that does not fit is answered 422 and not passed on, and an answer
    /// that does not fit is replaced by a 500.
    pub(crate) fn prism_strict(name: &str, upstream: &str) -> Self {
        Self::prism(name, &["proxy", "--errors"], &[upstream])
    }

    fn prism(name: &str, command: &[&str], upstream: &[&str]) -> Self {
        let document = out_dir().join("openapi.json");
        let document = document.to_str().expect("the path is text");
        let listen = ["--host", "127.0.0.1", "--port", "{port}"];
        let args = [command, &[document], upstream, &listen].concat();
        Self::start(name, "@stoplight/prism-cli/dist/index.js", &args)
    }

    /// A stateful GitHub with the user and the repository of `emulate.seed.yaml`.
    pub(crate) fn emulate(name: &str) -> Self {
        let seed = ["--seed", "emulate.seed.yaml"];
        let args = ["start", "--service", "github", "--port", "{port}"];
        Self::start(name, "emulate/dist/index.js", &[&args[..], &seed].concat())
    }

    /// Where it listens, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All that it printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log was made at the start")
    }

    /// What a prism saw that does not fit, such as `request.body.events Request body property
    /// events must be array`. A strict one says only that there was something.
    pub(crate) fn violations(&self) -> Vec<String> {
        let marks = ["Violation: ", "terminated with error: "];
        let log = self.log();
        let what = |line: &str| {
            let cut = |mark: &&str| Some(line.split_once(*mark)?.1.to_owned());
            marks.iter().find_map(cut)
        };
        log.lines().filter_map(what).collect()
    }

    fn wait_until_listening(&mut self, port: u16) {
        let deadline = Instant::now() + READY_TIME_MAX;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let exit = self.child.try_wait().expect("the child is ours");
            let state = if let Some(status) = exit {
                format!("ended with {status}")
            } else if Instant::now() > deadline {
                "does not listen".to_owned()
            } else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            panic!("{} {state}:\n{}", self.log.display(), self.log());
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
