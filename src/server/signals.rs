//! What the operator tells the process: SIGHUP reloads, SIGTERM and SIGINT end it in order.

use std::io;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::radius::context::ServerContext;

/// The signals that are ours to answer.
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on SIGHUP does not end the process. For the first thing that a program does: what
    /// it has not read yet it need not read anew.
    pub fn ignore_hangup() {
        if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
            let _entered = runtime.enter();
            // Once watched, it never again has its default effect.
            let _ = signal(SignalKind::hangup());
        }
    }

    /// From here on no signal ends the process by itself: one that comes while the server still
    /// starts is answered as soon as it serves.
    ///
    /// # Errors
    /// If the system lets nobody watch them.
    pub fn catch() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _entered = runtime.enter();
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Asks for reloads, until a signal says stop.
    pub(super) async fn follow(mut self, common: Arc<ServerContext>) -> io::Result<()> {
        loop {
            tokio::select! {
                // Nobody waits for the outcome: it is in the log.
                _ = self.hangup.recv() => drop(common.reloads.request()),
                _ = self.terminate.recv() => return Ok(()),
                _ = self.interrupt.recv() => return Ok(()),
            }
        }
    }
}
