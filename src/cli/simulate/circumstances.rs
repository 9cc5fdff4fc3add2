//! On which machine, and by which words, a simulation ran: for whoever reads its report later.

use std::fs;
use std::thread;

/// Cores, processor, memory and kernel, as far as the system tells.
pub(super) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    described(
        cores,
        &read("/proc/cpuinfo"),
        &read("/proc/meminfo"),
        &read("/proc/sys/kernel/osrelease"),
    )
}

fn described(cores: usize, cpuinfo: &str, meminfo: &str, kernel: &str) -> String {
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(cpuinfo, "model name").map(|model| format!(" of {model}"));
    let kib = value(meminfo, "MemTotal")
        .and_then(|total| total.split(' ').next().and_then(|kib| kib.parse::<f64>().ok()));
    let memory = kib.map(|kib| format!(", {:.1} GiB", kib / f64::from(1 << 20)));
    let kernel = Some(kernel.trim()).filter(|kernel| !kernel.is_empty());
    let kernel = kernel.map(|kernel| format!(", Linux {kernel}"));
    let cores = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    [Some(cores), model, memory, kernel].into_iter().flatten().collect()
}

/// The words of the command line; what is secret in them is not told.
pub(super) fn command() -> Vec<String> {
    masked(std::env::args().collect())
}

fn masked(mut words: Vec<String>) -> Vec<String> {
    const MASK: &str = "•";
    let mut is_secret = false;
    for word in &mut words {
        if is_secret {
            MASK.clone_into(word);
        }
        is_secret = word == "--secret";
        let setting = word.split_once('=').map(|(name, _)| name.to_owned());
        if let Some(name) = setting.filter(|name| name.ends_with("secret")) {
            *word = format!("{name}={MASK}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_described_as_far_as_it_is_known() {
        let cpu = "processor\t: 0\nmodel name\t: Fast 9000\n";
        assert_eq!(
            described(2, cpu, "MemTotal:       16777216 kB\n", "6.1.0\n"),
            "2 cores of Fast 9000, 16.0 GiB, Linux 6.1.0"
        );
        assert_eq!(described(1, "", "", ""), "1 core");
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let words =
            "attachd simulate storm --secret s3 --secret=s4 --set target.secret=s5 --rate 7";
        let masked = masked(words.split(' ').map(str::to_owned).collect()).join(" ");
        assert_eq!(
            masked,
            "attachd simulate storm --secret • --secret=• --set target.secret=• --rate 7"
        );
    }
}
