//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    attachd::cli::run(std::env::args_os())
}
