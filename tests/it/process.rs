//! The real binary: `patron serve` on directories that outlive it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::app::{Clients, PATIENCE};

/// A `patron serve`; killed when dropped. Its log goes to a file beside its directories.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
    pub(crate) clients: Clients,
}

/// The common arguments of a process on `data` and `models` below `directory`.
pub(crate) fn command(directory: &Path, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patron"));
    command.args([verb, "--time-zone", "Europe/London", "--currency", "GBP"]);
    command.arg("--data-directory").arg(directory.join("data"));
    command.arg("--model-directory").arg(directory.join("models"));
    command.stdout(Stdio::piped());
    command
}

/// `patron serve` on a free port, unless `arguments` say otherwise.
pub(crate) fn serve(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = command(directory, "serve");
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if !arguments.contains(&"--log-filter") {
        command.args(["--log-filter", "off"]);
    }
    command.args(arguments);
    command
}

impl Process {
    pub(crate) async fn start(directory: &Path) -> Self {
        Self::with(directory, &["--as-of", "latest"]).await
    }

    pub(crate) async fn with(directory: &Path, arguments: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(log(directory)).unwrap();
        Self::run(serve(directory, arguments).stderr(log)).await
    }

    /// Waits until the server that `command` starts tells its address.
    pub(crate) async fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let address: SocketAddr = address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        Self { child, output, address, clients: Clients::connect(address).await }
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits until the process is gone. The runtime goes on meanwhile: the clients
    /// have to let go of their connections.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        terminate(self.id());
        let status = self.ended().await;
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "the address is all that goes to standard output");
        status
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process is gone by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child).await
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `patron worker`; killed when dropped.
pub(crate) struct Worker(Child);

impl Worker {
    pub(crate) fn with(directory: &Path, arguments: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(log(directory)).unwrap();
        let mut command = command(directory, "worker");
        Self(command.args(arguments).stderr(log).spawn().unwrap())
    }

    /// SIGTERM, and waits until the process is gone.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        assert!(self.0.try_wait().unwrap().is_none(), "the worker ended by itself");
        terminate(self.0.id());
        ended(&mut self.0).await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the processes on `directory` logged.
pub(crate) fn logged(directory: &Path) -> String {
    fs::read_to_string(log(directory)).unwrap()
}

fn log(directory: &Path) -> PathBuf {
    directory.join("log.txt")
}

/// SIGTERM to a process that a test started.
pub(crate) fn terminate(id: u32) {
    let killed = Command::new("sh").args(["-c", "kill -TERM $0", &id.to_string()]).status();
    assert!(killed.unwrap().success());
}

async fn ended(child: &mut Child) -> ExitStatus {
    let waiting = async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the process ends when it is asked to")
}

/// The processor time that a process has used.
#[cfg(target_os = "linux")]
pub(crate) fn processor_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // Behind the name, which may hold anything: user and system time, in hundredths.
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// The memory that a process holds, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// The files and sockets that a process holds open.
#[cfg(target_os = "linux")]
pub(crate) fn handles(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}
