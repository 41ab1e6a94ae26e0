//! Interrupts and termination.

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
