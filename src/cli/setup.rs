//! What `serve` and `check` are given: the configuration and the inventory, read together, with all
//! that is wrong in both.

use std::path::PathBuf;

use clap::Args;

use super::outcome::{CommandError, Exit};
use crate::config::{Config, ConfigProblem, ProblemSeverity, summed_up};
use crate::provisioning::{self, Fingerprint, Inventory, Operators, Rules};

/// Where the two are read from.
#[derive(Args, Clone, Debug)]
pub(super) struct Sources {
    /// The configuration; without it everything has its default, and only this machine is served.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The inventory folder, instead of the one the configuration names.
    #[arg(long, value_name = "DIR")]
    inventory: Option<PathBuf>,
}

/// What has become of an inventory since it was adopted.
pub(super) enum InventoryChange {
    /// Nothing; what there is to be said nevertheless stands beside it.
    Unchanged(Fingerprint, Vec<ConfigProblem>, Operators),
    Changed(Box<Setup>),
}

/// Both as far as they could be understood, and all that is wrong with them.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) inventory: Inventory,
    pub(super) problems: Vec<ConfigProblem>,
}

impl Sources {
    /// A configuration, and the inventory that it names.
    pub(super) const fn of(config: PathBuf) -> Self {
        Self { config: Some(config), inventory: None }
    }

    /// The configuration alone. If something is wrong with it, the inventory's problems are told
    /// along with it.
    pub(super) fn config(&self) -> Result<Config, CommandError> {
        match Config::load(self.config.as_deref()) {
            Ok(config) => Ok(config),
            Err(_) => self.examine().accepted().map(|(config, ..)| config),
        }
    }

    /// Reads the configuration, and of the inventory only whether its files are still those of
    /// `in_force`; both, if they are not.
    pub(super) fn examine_changes(
        &self,
        in_force: impl FnOnce() -> Option<Fingerprint>,
    ) -> InventoryChange {
        let (config, mut problems) = Config::examine(self.config.as_deref());
        let folder = self.inventory.as_ref().unwrap_or(&config.inventory);
        let of_files = || Fingerprint::of(folder, rules(&config));
        let unchanged = in_force().filter(|in_force| of_files().is_ok_and(|own| own == *in_force));
        let Some(fingerprint) = unchanged else {
            return InventoryChange::Changed(Box::new(self.examine()));
        };
        problems.extend(
            Inventory::warnings(folder)
                .into_iter()
                .map(|warning| finding(ProblemSeverity::Warning, warning)),
        );
        InventoryChange::Unchanged(fingerprint, problems, Inventory::operators(folder))
    }

    /// Reads both.
    pub(super) fn examine(&self) -> Setup {
        let (mut config, mut problems) = Config::examine(self.config.as_deref());
        if let Some(folder) = &self.inventory {
            config.inventory.clone_from(folder);
        }
        let is_anywhere = self.inventory.is_some()
            || problems.iter().all(|problem| problem.file.is_none() || problem.line.is_some());
        let inventory = if !is_anywhere {
            // The configuration could not be read at all: where its inventory stands, nobody knows.
            Inventory::default()
        } else if self.may_do_without_inventory() && !config.inventory.exists() {
            let what = format!(
                "there is no folder {}; all SIMs are refused but those known from before",
                config.inventory.display()
            );
            problems.push(ConfigProblem {
                severity: ProblemSeverity::Warning,
                file: None,
                line: None,
                what,
                remedy: "give --inventory DIR".to_owned(),
            });
            Inventory { file: config.inventory.clone(), ..Inventory::default() }
        } else {
            inventory(&config, &mut problems)
        };
        Setup { config, inventory, problems: summed_up(problems) }
    }

    /// Nobody has named a folder: then it need not be there, and one can try attachd without any
    /// preparation.
    fn may_do_without_inventory(&self) -> bool {
        self.config.is_none() && self.inventory.is_none()
    }
}

impl Setup {
    /// Tells what may well be meant, too, as warnings.
    pub(super) fn with_advice(mut self) -> Self {
        let advice = std::mem::take(&mut self.inventory.advice);
        self.problems
            .extend(advice.into_iter().map(|advice| finding(ProblemSeverity::Warning, advice)));
        self
    }

    pub(super) fn is_valid(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity == ProblemSeverity::Warning)
    }

    /// Both, and the warnings; or all that is wrong.
    pub(super) fn accepted(self) -> Result<(Config, Inventory, Vec<ConfigProblem>), CommandError> {
        if self.is_valid() {
            Ok((self.config, self.inventory, self.problems))
        } else {
            Err(CommandError::Listed(
                Exit::Invalid,
                self.problems.iter().map(ToString::to_string).collect(),
            ))
        }
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        luhn_refuses: config.luhn == ProblemSeverity::Error,
        masks_identities: config.server.mask_identities,
    }
}

fn inventory(config: &Config, problems: &mut Vec<ConfigProblem>) -> Inventory {
    match Inventory::load_by(&config.inventory, rules(config)) {
        Ok(mut inventory) => {
            problems.extend(
                std::mem::take(&mut inventory.warnings)
                    .into_iter()
                    .map(|warning| finding(ProblemSeverity::Warning, warning)),
            );
            inventory
        }
        Err(wrong) => {
            problems.extend(
                wrong.iter().map(|problem| finding(ProblemSeverity::Error, problem.clone())),
            );
            let kept = wrong.iter().count();
            if wrong.count() > kept {
                let what = format!(
                    "{} more problems in {}",
                    wrong.count() - kept,
                    config.inventory.display()
                );
                let remedy = "mend these first".to_owned();
                problems.push(ConfigProblem {
                    severity: ProblemSeverity::Error,
                    file: None,
                    line: None,
                    what,
                    remedy,
                });
            }
            Inventory::default()
        }
    }
}

fn finding(severity: ProblemSeverity, problem: provisioning::InventoryProblem) -> ConfigProblem {
    let provisioning::InventoryProblem { file, line, what, remedy } = problem;
    ConfigProblem { severity, file: Some(file), line: line.map(|line| line as usize), what, remedy }
}
