//! A medium that is full or may not be written: clear errors, and nothing that was acknowledged is
//! lost.
//!
//! A small file system needs root. Where mounting is refused the tests say so and pass.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::SMALL_TAIL;
use super::script::Script;
use super::sender::{ingest_one, send_again};
use super::truth::{Truth, found};
use crate::app::{Clients, new_directory};
use crate::failure::told;
use crate::process::{Process, serve};

/// A file system in memory; taken away when dropped.
struct Mount(PathBuf);

impl Mount {
    /// Mounts `options` at a new directory; `None`, and a word about it, where that is refused.
    fn at(place: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&place);
        match mount.output() {
            Ok(Output { status, .. }) if status.success() => Some(Self(place)),
            Ok(Output { stderr, .. }) => skip(&String::from_utf8_lossy(&stderr)),
            Err(error) => skip(&error.to_string()),
        }
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }

    /// Writes a file until nothing more fits.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The directory is on no disk; a mount that stays does no harm to the other tests.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[expect(clippy::print_stderr, reason = "a test that is passed over must say so")]
fn skip(reason: &str) -> Option<Mount> {
    eprintln!("SKIPPED: a file system of its own cannot be mounted: {}", reason.trim());
    None
}

/// Sends chunks until one is refused. Gives the number of those that were stored, and the refusal.
async fn send_until_refused(clients: &Clients, script: Script, from: u32) -> (u32, tonic::Status) {
    for index in from..script.chunks {
        if let Err(status) = ingest_one(clients, script.request(index)).await {
            return (index, status);
        }
    }
    panic!("the medium is never full");
}

#[tokio::test]
async fn a_full_disk_refuses_chunks_as_a_whole_until_there_is_space_again() {
    let directory = new_directory();
    let Some(disk) = Mount::at(directory.path().join("data"), "size=32m") else { return };
    let process = Process::with(directory.path(), SMALL_TAIL).await;
    let script = Script { sender: 0, chunks: 60, size: 200 };
    for index in 0..20 {
        assert!(ingest_one(&process.clients, script.request(index)).await.unwrap().accepted > 0);
    }
    let ballast = disk.fill();
    let (stored, refusal) = send_until_refused(&process.clients, script, 20).await;
    assert_eq!(told(&refusal), "RESOURCE_EXHAUSTED OVERLOADED");
    assert_eq!(refusal.message(), "the server's disk is full; nothing of this call was stored");
    // Again and again, and what was stored is still answered.
    let again = ingest_one(&process.clients, script.request(stored)).await.unwrap_err();
    assert_eq!(told(&again), "RESOURCE_EXHAUSTED OVERLOADED");
    let known = ingest_one(&process.clients, script.request(0)).await;
    assert!(known.is_ok_and(|ack| ack.accepted == 0), "known lines need no space");
    fs::remove_file(ballast).unwrap();
    for index in stored..script.chunks {
        let ack = ingest_one(&process.clients, script.request(index)).await.unwrap();
        assert_eq!((ack.duplicates, ack.refused), (0, 0), "chunk {index} was half-stored");
    }
    assert!(process.stop().await.success());
    found(directory.path()).must_be(&Truth::of(&[script]));
}

#[tokio::test]
async fn a_server_that_is_killed_on_a_full_disk_comes_back_with_everything() {
    let directory = new_directory();
    let Some(disk) = Mount::at(directory.path().join("data"), "size=32m") else { return };
    let mut process = Process::with(directory.path(), SMALL_TAIL).await;
    let script = Script { sender: 0, chunks: 60, size: 200 };
    for index in 0..20 {
        ingest_one(&process.clients, script.request(index)).await.unwrap();
    }
    let ballast = disk.fill();
    let (stored, _) = send_until_refused(&process.clients, script, 20).await;
    process.kill();
    // Also where the disk is still full.
    let mut process = Process::with(directory.path(), SMALL_TAIL).await;
    let done = Script { chunks: stored, ..script };
    send_again(done, process.clients.clone()).await;
    process.kill();
    fs::remove_file(ballast).unwrap();
    found(directory.path()).must_be(&Truth::of(&[done]));
    let process = Process::with(directory.path(), SMALL_TAIL).await;
    for index in stored..script.chunks {
        let ack = ingest_one(&process.clients, script.request(index)).await.unwrap();
        assert_eq!((ack.duplicates, ack.refused), (0, 0), "chunk {index} was half-stored");
    }
    assert!(process.stop().await.success());
    found(directory.path()).must_be(&Truth::of(&[script]));
}

/// The limit of a file's size works without root; a quota fails the same way.
#[tokio::test]
async fn a_file_that_may_not_grow_refuses_chunks_as_a_whole() {
    let directory = new_directory();
    let script = Script { sender: 0, chunks: 60, size: 200 };
    let plain = serve(directory.path(), &[]);
    let mut limited = Command::new("sh");
    // In blocks of 512 bytes; without the signal, so that the write fails instead.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]);
    limited.arg(plain.get_program()).args(plain.get_args()).stdout(Stdio::piped());
    let process = Process::run(&mut limited).await;
    let (stored, refusal) = send_until_refused(&process.clients, script, 0).await;
    assert!(stored > 0);
    assert_eq!(told(&refusal), "INTERNAL INTERNAL", "{refusal:?}");
    drop(process);
    found(directory.path()).must_be(&Truth::of(&[Script { chunks: stored, ..script }]));
    let process = Process::with(directory.path(), &[]).await;
    for index in stored..script.chunks {
        let ack = ingest_one(&process.clients, script.request(index)).await.unwrap();
        assert_eq!((ack.duplicates, ack.refused), (0, 0), "chunk {index} was half-stored");
    }
    assert!(process.stop().await.success());
    found(directory.path()).must_be(&Truth::of(&[script]));
}

/// Starts a server that must refuse to; its words on standard error.
pub(super) fn refused(directory: &Path) -> String {
    let mut command = serve(directory, &["--log-filter", "error"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let words = String::from_utf8(stderr).unwrap();
    assert_eq!((line.as_str(), status.code()), ("", Some(1)), "{words}");
    words.replace(directory.to_str().unwrap(), "DIRECTORY")
}

#[test]
fn a_file_in_the_place_of_the_data_directory_is_named() {
    let directory = new_directory();
    fs::write(directory.path().join("data"), "no directory").unwrap();
    insta::assert_snapshot!(refused(directory.path()), @"patron: DIRECTORY/data: cannot be used (File exists (os error 17)); check that the data directory is a directory and may be written");
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let directory = new_directory();
    fs::create_dir(directory.path().join("data")).unwrap();
    let text = "something else\n".repeat(100);
    fs::write(directory.path().join("data/transactions.sqlite3"), text).unwrap();
    insta::assert_snapshot!(refused(directory.path()), @"patron: DIRECTORY/data/transactions.sqlite3: not a Patron database; choose another data directory");
}

#[test]
fn an_empty_data_directory_that_may_not_be_written_is_named() {
    let directory = new_directory();
    let Some(_disk) = Mount::at(directory.path().join("data"), "ro,size=1m") else { return };
    insta::assert_snapshot!(refused(directory.path()), @"patron: DIRECTORY/data/transactions.sqlite3: cannot be used (unable to open database file: DIRECTORY/data/transactions.sqlite3); check that the data directory is a directory and may be written");
}

#[tokio::test]
async fn a_filled_data_directory_that_may_not_be_written_is_named_and_not_touched() {
    let directory = new_directory();
    let Some(disk) = Mount::at(directory.path().join("data"), "size=32m") else { return };
    let mut process = Process::with(directory.path(), &[]).await;
    let script = Script { sender: 0, chunks: 3, size: 50 };
    for index in 0..script.chunks {
        ingest_one(&process.clients, script.request(index)).await.unwrap();
    }
    process.kill();
    disk.remount("ro");
    insta::assert_snapshot!(refused(directory.path()), @"patron: DIRECTORY/data/transactions.sqlite3: not writable; check owner and permissions");
    disk.remount("rw");
    found(directory.path()).must_be(&Truth::of(&[script]));
}
