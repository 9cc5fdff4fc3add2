//! The flags of `attachd simulate` that stand over the scenario's own keys.

use std::net::SocketAddr;

use clap::Args;

use crate::cli::outcome::CommandError;
use crate::cli::secret::SecretSource;
use crate::simulator::scenario::{Loaded, PhaseKind, PhaseSpec, SettingOverride, load};

/// Flags that stand over the scenario's own keys.
#[derive(Args)]
pub(super) struct Changes {
    /// The server's address for Access-Requests; several are failed over to in this order.
    #[arg(long, value_name = "HOST:PORT")]
    auth: Vec<SocketAddr>,
    /// The server's address for accounting.
    #[arg(long, value_name = "HOST:PORT")]
    acct: Vec<SocketAddr>,
    /// Where the server shows its state, to be compared at the end; "none": not compared.
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    #[command(flatten)]
    secret: SecretSource,
    /// Attaches a second in the steady phases; ramps lead up to it.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// How long the steady phases last.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// The seed; the same seed plays the same game.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    #[arg(long, value_name = "COUNT", help = "How many threads; 0: one per core")]
    threads: Option<usize>,
    /// Change any key: fleet.0.count=5000, habits.lost=0.01, phase.*.for_s=10.
    #[arg(long, value_name = "KEY=VALUE", value_parser = change)]
    set: Vec<SettingOverride>,
}

impl Changes {
    /// The scenario with the flags' changes.
    pub(super) fn load(&self, name: &str) -> Result<Loaded, CommandError> {
        let invalid = |error: &dyn std::error::Error| CommandError::invalid(error.to_string());
        let plain = load(name, &[]).map_err(|error| invalid(&error))?;
        let mut changes = self.of_keys();
        changes.extend(self.of_secret()?);
        changes.extend(self.of_phases(name, &plain.scenario.phase)?);
        changes.extend_from_slice(&self.set);
        let mut loaded = load(name, &changes).map_err(|error| invalid(&error))?;
        if self.http.as_deref() == Some("none") {
            loaded.scenario.target.http = None;
        }
        Ok(loaded)
    }

    fn of_keys(&self) -> Vec<SettingOverride> {
        let change = |key: &str, value: String| SettingOverride { key: key.to_owned(), value };
        let addresses = |addresses: &[SocketAddr]| {
            let quoted: Vec<String> =
                addresses.iter().map(|address| format!("\"{address}\"")).collect();
            (!quoted.is_empty()).then(|| format!("[{}]", quoted.join(", ")))
        };
        let text = |text: &String| toml::Value::String(text.clone()).to_string();
        let all = [
            ("target.auth", addresses(&self.auth)),
            ("target.acct", addresses(&self.acct)),
            ("target.http", self.http.as_ref().filter(|http| *http != "none").map(text)),
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("threads", self.threads.map(|threads| threads.to_string())),
        ];
        all.into_iter().filter_map(|(key, value)| value.map(|value| change(key, value))).collect()
    }

    /// The key of the secret is a text, as all of a scenario.
    fn of_secret(&self) -> Result<Option<SettingOverride>, CommandError> {
        let Some(octets) = self.secret.read()? else { return Ok(None) };
        let text = String::from_utf8(octets).map_err(|_| {
            CommandError::invalid("the secret is no UTF-8; give simulate one that is")
        })?;
        Ok(Some(SettingOverride {
            key: "target.secret".to_owned(),
            value: toml::Value::String(text).to_string(),
        }))
    }

    /// Rate and duration of the steady phases; ramps lead up to the same rate.
    fn of_phases(
        &self,
        name: &str,
        phases: &[PhaseSpec],
    ) -> Result<Vec<SettingOverride>, CommandError> {
        if (self.rate.is_some() || self.duration.is_some())
            && !phases.iter().any(|phase| phase.kind == PhaseKind::Steady)
        {
            return Err(CommandError::invalid(format!(
                "--rate and --duration are for steady phases, and {name} has none; see --print-scenario and --set"
            )));
        }
        let mut changes = Vec::new();
        for (index, phase) in phases.iter().enumerate() {
            let mut change = |part: &str, value: Option<f64>| {
                changes.extend(value.map(|value| SettingOverride {
                    key: format!("phase.{index}.{part}"),
                    value: value.to_string(),
                }));
            };
            match phase.kind {
                PhaseKind::Steady => {
                    change("rate", self.rate);
                    change("for_s", self.duration);
                }
                PhaseKind::Ramp => change("to", self.rate),
                PhaseKind::Storm | PhaseKind::Closed | PhaseKind::Rest | PhaseKind::Drain => {}
            }
        }
        Ok(changes)
    }
}

fn change(text: &str) -> Result<SettingOverride, String> {
    let (key, value) = text.split_once('=').ok_or("a change is KEY=VALUE")?;
    Ok(SettingOverride { key: key.trim().to_owned(), value: value.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the help of `--set` gives as examples.
    #[test]
    fn the_examples_of_the_help_fit_a_built_in_scenario() {
        for example in ["fleet.0.count=5000", "habits.lost=0.01", "phase.*.for_s=10"] {
            let changed = load("smoke", &[change(example).unwrap()]);
            assert!(changed.is_ok(), "{example}: {changed:?}");
        }
    }
}
