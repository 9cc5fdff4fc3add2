//! The command line: one file per verb, and the few habits they share (`outcome`, `output`).
//!
//! A new verb is a file with a struct of arguments and its `run`, and one line in `Verb`.

mod check;
mod colour;
mod completions;
mod data_folder;
mod decode;
mod diff;
mod endpoint;
mod events;
mod export;
mod inspect;
mod man;
mod outcome;
mod output;
mod packet;
mod reload;
mod remote;
mod report;
mod scenario;
mod secret;
mod send;
mod serve;
mod setup;
mod simulate;
mod table;
mod token;
mod who;
mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use outcome::{CommandError, Exit};
use output::Output;

use crate::server::Signals;

/// The RADIUS AAA server for IoT SIMs behind packet gateways, and the simulator of those gateways.
#[derive(Parser)]
#[command(name = "attachd", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failure, 2 wrong usage or invalid configuration, 3 ran, but not as expected.";

#[derive(Subcommand)]
enum Verb {
    Serve(serve::Serve),
    Check(check::Check),
    Reload(reload::ReloadVerb),
    Send(send::Send),
    Decode(decode::Decode),
    Inspect(inspect::Inspect),
    Diff(diff::Diff),
    Export(export::Export),
    Simulate(Box<simulate::Simulate>),
    Scenario(scenario::ScenarioVerb),
    Report(report::ReportCommand),
    Token(token::TokenVerb),
    Endpoint(endpoint::EndpointVerb),
    Why(why::Why),
    Who(who::Who),
    Events(events::Events),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Does what the arguments say. Errors are one line on stderr.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|verb| verb == "serve") {
        // Whoever starts a server may tell it to reload at once.
        Signals::ignore_hangup();
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return outcome::usage(&error).into(),
    };
    let mut output = Output::stdout();
    let done = match arguments.verb {
        Verb::Serve(verb) => verb.run(),
        Verb::Check(verb) => verb.run(&mut output),
        Verb::Reload(verb) => verb.run(&mut output),
        Verb::Send(verb) => verb.run(&mut output),
        Verb::Decode(verb) => verb.run(&mut output),
        Verb::Inspect(verb) => verb.run(&mut output),
        Verb::Diff(verb) => verb.run(&mut output),
        Verb::Export(verb) => verb.run(&mut output),
        Verb::Simulate(verb) => verb.run(&mut output),
        Verb::Scenario(verb) => verb.run(&mut output),
        Verb::Report(verb) => verb.run(&mut output),
        Verb::Token(verb) => verb.run(&mut output),
        Verb::Endpoint(verb) => verb.run(&mut output),
        Verb::Why(verb) => verb.run(&mut output),
        Verb::Who(verb) => verb.run(&mut output),
        Verb::Events(verb) => verb.run(&mut output),
        Verb::Completions(verb) => verb.run(&mut output),
        Verb::Man(verb) => verb.run(&mut output),
    };
    match done.and_then(|exit| output.finish().map(|()| exit)) {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough, as `head` does.
        Err(CommandError::ReaderGone) => Exit::Done.into(),
        Err(CommandError::Told(exit, message)) => {
            outcome::complain(&message);
            exit.into()
        }
        Err(CommandError::Listed(exit, problems)) => {
            for problem in &problems {
                outcome::list(problem);
            }
            exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
