//! Nothing that was acknowledged is lost: the real process, killed again and again while several
//! senders are at work.
//!
//! `PATRON_DURABILITY_LINES`, `PATRON_DURABILITY_KILLS` and `PATRON_DURABILITY_SEED` make a longer
//! run of it; its numbers are printed with `--nocapture`.

/// What the senders send.
#[path = "durability/script.rs"]
mod script;

/// What must be stored in the end.
#[path = "durability/truth.rs"]
mod truth;

/// Senders that survive their servers.
#[path = "durability/sender.rs"]
mod sender;

/// What erasures leave behind.
#[path = "durability/erased.rs"]
mod erased;

/// The limits of sending again.
#[path = "durability/resume.rs"]
mod resume;

/// Several processes on one store.
#[path = "durability/shared.rs"]
mod shared;

/// A medium that is full or may not be written.
#[path = "durability/medium.rs"]
mod medium;

/// Files that were damaged.
#[path = "durability/damaged.rs"]
mod damaged;

/// A clock that was set back.
#[path = "durability/clock.rs"]
mod clock;

/// What is in the logs, and what is not.
#[path = "durability/logs.rs"]
mod logs;

use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::script::{CUSTOMERS, Chance, Script, customer_id};
use self::sender::{Progress, Sender, Servers, erase_some, send_again};
use self::truth::{Sums, Truth, database, found, look, open};
use crate::app::{Clients, copy_filled, customer_request, new_directory};
use crate::process::Process;

const SENDERS: u32 = 6;
/// So little memory for what is not packed that packing goes on nearly all the time.
const SMALL_TAIL: &[&str] = &["--tail-mib", "1"];
/// No run takes longer.
const LONGEST_RUN: Duration = Duration::from_secs(1_800);

/// How much is sent and how often the server is killed.
#[derive(Clone, Copy, Debug)]
struct Run {
    lines: u64,
    kills: u64,
    seed: u64,
}

/// How many kills came in the middle of what.
#[derive(Debug, Default)]
struct Interrupted {
    packing: u64,
    erasures: u64,
}

impl Run {
    fn from_environment() -> Self {
        let number = |name: &str, default| {
            env::var(name).map_or(default, |text| text.parse().expect("a number"))
        };
        Self {
            lines: number("PATRON_DURABILITY_LINES", 60_000),
            kills: number("PATRON_DURABILITY_KILLS", 4),
            seed: number("PATRON_DURABILITY_SEED", 1),
        }
    }

    fn scripts(&self) -> Vec<Script> {
        let size = if self.lines > 200_000 { 600 } else { 200 };
        let chunks = (self.lines / u64::from(SENDERS)).div_ceil(size) as u32;
        (0..SENDERS).map(|sender| Script { sender, chunks, size }).collect()
    }

    /// After how many acknowledged lines the server is killed.
    fn thresholds(&self, chance: &mut Chance) -> Vec<u64> {
        let within = self.lines * 9 / 10;
        let mut thresholds: Vec<u64> = (0..self.kills).map(|_| chance.below(within)).collect();
        thresholds.sort_unstable();
        thresholds
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_line_is_there_once_however_often_the_server_is_killed() {
    let (run, directory) = (Run::from_environment(), new_directory());
    let (start, scripts) = (Instant::now(), run.scripts());
    let counting = scripts.clone();
    let truth = tokio::task::spawn_blocking(move || Truth::of(&counting));
    let sending = send_and_kill(&run, &scripts, directory.path());
    let (gone, interrupted) = timeout(LONGEST_RUN, sending).await.expect("all is sent");
    let truth = truth.await.unwrap();
    let sent = start.elapsed();
    assert!(packed_histories(directory.path()) > 0, "the server never packed");
    found(directory.path()).must_be(&truth);

    let process = Process::with(directory.path(), SMALL_TAIL).await;
    ask_of_customers(&process.clients, &truth, &gone).await;
    let again =
        scripts.iter().map(|script| tokio::spawn(send_again(*script, process.clients.clone())));
    for sender in again.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    ask_of_customers(&process.clients, &truth, &gone).await;
    assert!(process.stop().await.success());
    found(directory.path()).must_be(&truth);

    // The same however much of it is packed.
    let store = open(directory.path());
    store.pack().unwrap();
    look(&store).must_be(&truth);
    drop(store);
    found(directory.path()).must_be(&truth);
    assert!(run.kills < 20 || interrupted.packing > 0, "packing was never interrupted");
    tell(&run, &interrupted, &truth, (sent, start.elapsed()));
}

/// Sends all scripts to a server that is killed and started again; in the end it is killed, too.
/// Gives the ids of the customers that were erased, and what the kills met.
async fn send_and_kill(
    run: &Run,
    scripts: &[Script],
    directory: &Path,
) -> (Vec<String>, Interrupted) {
    let mut chance = Chance::new(run.seed);
    let mut interrupted = Interrupted::default();
    let mut process = Process::with(directory, SMALL_TAIL).await;
    let (tell, servers): (_, Servers) = watch::channel((0, process.clients.clone()));
    let progress = Arc::new(Progress::default());
    let senders = scripts.iter().map(|script| {
        let sender = Sender::new(*script, servers.clone(), Arc::clone(&progress), run.seed);
        tokio::spawn(sender.send_all())
    });
    let senders: Vec<_> = senders.collect();
    let eraser = tokio::spawn(erase_some(servers.clone(), Arc::clone(&progress)));
    for (number, threshold) in (1_u64..).zip(run.thresholds(&mut chance)) {
        reached(&progress, threshold, number.is_multiple_of(2)).await;
        sleep(Duration::from_micros(chance.below(30_000))).await;
        interrupted.erasures += u64::from(progress.is_erasing.load(Ordering::SeqCst));
        process.kill();
        interrupted.packing += u64::from(is_half_packed(directory));
        // On the same port or on another.
        let port = if number.is_multiple_of(3) { 0 } else { process.address.port() };
        let listen = format!("127.0.0.1:{port}");
        process = Process::with(directory, &[SMALL_TAIL, &["--listen", &listen]].concat()).await;
        tell.send((number, process.clients.clone())).unwrap();
    }
    let (mut streams, mut resent) = (0, 0);
    for sender in senders {
        let sender = sender.await.unwrap();
        (streams, resent) = (streams + sender.streams, resent + sender.resent);
    }
    assert!(streams >= SENDERS && resent > 0, "{streams} streams, {resent} chunks again");
    progress.is_over.store(true, Ordering::SeqCst);
    let gone = eraser.await.unwrap();
    process.kill();
    (gone, interrupted)
}

/// Waits until so many lines are acknowledged, and for an erasure where one is wanted.
async fn reached(progress: &Progress, threshold: u64, within_erasure: bool) {
    let waiting = async {
        while progress.acknowledged.load(Ordering::SeqCst) < threshold {
            sleep(Duration::from_millis(1)).await;
        }
        while within_erasure && !progress.is_erasing.load(Ordering::SeqCst) {
            sleep(Duration::from_micros(200)).await;
        }
    };
    timeout(LONGEST_RUN, waiting).await.expect("the senders get on");
}

/// Whether some histories are packed further than all are, in a copy of a killed server's files.
fn is_half_packed(directory: &Path) -> bool {
    let (data, copied) = (directory.join("data"), directory.join("copy"));
    copy_filled(&data, &copied.join("data"));
    let connection = Connection::open(database(&copied)).unwrap();
    let sql = "SELECT coalesce(max(last_batch), 0) > (SELECT max(packed_batch) FROM state)
               FROM history";
    let is_half: Option<bool> = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(connection);
    fs::remove_dir_all(copied).unwrap();
    is_half.unwrap_or_default()
}

fn packed_histories(directory: &Path) -> i64 {
    let connection = Connection::open(database(directory)).unwrap();
    connection.query_row("SELECT count(*) FROM history", [], |row| row.get(0)).unwrap()
}

/// Asks for every twentieth customer, and for those who were erased.
async fn ask_of_customers(clients: &Clients, truth: &Truth, gone: &[String]) {
    for number in (0..CUSTOMERS).step_by(20) {
        let request = customer_request(&customer_id(number));
        let answer = clients.transactions().get_customer(request).await;
        let expected = truth.customers.get(&number).copied().unwrap_or_default();
        let found = answer.map_or_else(
            |status| {
                assert_eq!(status.code(), tonic::Code::NotFound);
                Sums::default()
            },
            |customer| {
                let customer = customer.into_inner();
                Sums {
                    lines: customer.line_count,
                    returns: customer.return_count,
                    micros: customer.spend_micros,
                    thousandths: customer.quantity_thousandths,
                }
            },
        );
        assert_eq!(found, expected, "customer {number}");
    }
    for id in gone {
        let unknown = clients.transactions().get_customer(customer_request(id)).await;
        assert_eq!(unknown.unwrap_err().code(), tonic::Code::NotFound, "{id}");
    }
}

#[expect(clippy::print_stderr, reason = "the numbers of a longer run are its result")]
fn tell(run: &Run, interrupted: &Interrupted, truth: &Truth, (sent, all): (Duration, Duration)) {
    eprintln!(
        "{run:?}, {interrupted:?}: {} lines sent, {} current, digest {}, sent in {:.1} s, checked after {:.1} s",
        truth.lines_sent(),
        truth.sums.lines,
        truth.digest(),
        sent.as_secs_f64(),
        all.as_secs_f64(),
    );
}
