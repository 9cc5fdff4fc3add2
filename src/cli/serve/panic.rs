//! Fail-stop: a panic in any thread ends the process.
//!
//! What the thread was about may be half done, and others would go on with it. The journal has
//! everything that was acknowledged, and a start after a crash is nothing special. Release builds
//! abort by themselves; this makes sure of it in every build, and that the log tells why.

use std::panic;
use std::sync::Arc;
use std::thread;

use tracing::error;

use super::logging::Log;

/// From here on a panic is written to the log, and the process ends with SIGABRT.
pub(super) fn ends_the_process(log: Arc<Log>) {
    panic::set_hook(Box::new(move |panic| {
        let thread = thread::current();
        error!(
            "thread {} panicked and ends the process: {panic}",
            thread.name().unwrap_or("without a name")
        );
        log.finish();
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;

    const CHILD: &str = "ATTACHD_TEST_CHILD_PANICS";
    const SIGABRT: i32 = 6;

    /// This test once more, in a process that may end.
    #[test]
    fn a_thread_that_panics_ends_the_process_and_the_log_tells_why() {
        if std::env::var_os(CHILD).is_some() {
            let (config, _) = Config::examine(None);
            ends_the_process(Arc::new(Log::start(&config.log)));
            let _ = thread::Builder::new()
                .name("worker-7".to_owned())
                .spawn(|| panic!("as the test wants it"));
            thread::sleep(Duration::from_secs(60));
            return;
        }
        let name =
            "cli::serve::panic::tests::a_thread_that_panics_ends_the_process_and_the_log_tells_why";
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(ended.status.signal(), Some(SIGABRT), "{ended:?}");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(
            told.contains("thread worker-7 panicked and ends the process")
                && told.contains("as the test wants it"),
            "{told}"
        );
    }
}
