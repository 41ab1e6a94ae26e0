//! Interrupts and termination.

use std::io;

use super::exit::Failure;

/// Runs `work` on a thread of its own. On Ctrl-C `stop` asks it to end, and its result is awaited.
pub(super) async fn interruptible<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    stop: impl FnOnce(),
) -> Result<T, Failure> {
    let work = tokio::task::spawn_blocking(work);
    tokio::pin!(work);
    let done = tokio::select! {
        biased;
        done = &mut work => done,
        () = interrupt() => {
            stop();
            work.await
        }
    };
    done.map_err(|error| Failure::Output(io::Error::other(error)))
}

/// Resolves when the process shall end: Ctrl-C or, on Unix, SIGTERM.
pub(super) async fn termination() {
    tokio::select! {
        () = interrupt() => {}
        () = terminate() => {}
    }
}

/// Resolves on Ctrl-C.
pub(super) async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // No handler could be installed: the default one ends the process.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
