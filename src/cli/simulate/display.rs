//! A run while it goes on: a bar on a terminal, lines elsewhere.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use crate::simulator::counters::Second;
use crate::simulator::report;
use crate::simulator::scenario::Loaded;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// A bar on a terminal, else a line a second.
    #[default]
    Auto,
    /// A line a second.
    Plain,
    None,
}

/// The run while it goes on.
pub(super) struct Display {
    bar: Option<ProgressBar>,
    plain: bool,
    headed: bool,
}

impl Display {
    pub(super) fn new(progress: Progress, loaded: &Loaded) -> Self {
        let on_terminal = progress == Progress::Auto && io::stderr().is_terminal();
        let seconds: f64 = loaded.scenario.phase.iter().map(|phase| phase.for_s).sum();
        let style = ProgressStyle::with_template("{wide_bar:.cyan/dim} {pos}/{len} s\n{msg}");
        let bar = on_terminal.then(|| {
            ProgressBar::new(seconds.ceil() as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, plain: !on_terminal && progress != Progress::None, headed: false }
    }

    pub(super) fn show(&mut self, second: &Second) {
        if let Some(bar) = &self.bar {
            bar.set_position(second.second + 1);
            bar.set_message(format!("{}\n{}", report::headline(), report::line(second)));
        } else if self.plain {
            let mut stderr = io::stderr().lock();
            // With standard error gone there is no one left to tell.
            if !self.headed {
                self.headed = true;
                let _ = writeln!(stderr, "{}", report::headline());
            }
            let _ = writeln!(stderr, "{}", report::line(second));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
