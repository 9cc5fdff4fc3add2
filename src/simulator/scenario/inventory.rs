//! The inventory that a server needs for a scenario, written out: groups, VSlices, subnets, and
//! every endpoint of a pattern.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{AllocationSpec, FleetSpec, GroupSpec, Pattern, Scenario, State};

/// What an inventory consists of; of the last two one.
const FILES: [&str; 3] = ["inventory.toml", "endpoints.csv", "endpoints.csv.gz"];

impl Scenario {
    /// A file of the inventory that is in a folder already.
    pub fn inventory_in(folder: &Path) -> Option<PathBuf> {
        FILES.iter().map(|name| folder.join(name)).find(|path| path.exists())
    }

    /// Writes `inventory.toml` and `endpoints.csv` into `folder`; gives the number of endpoints.
    /// What comes from a file is in an inventory already, and what the server must not know is left
    /// out.
    ///
    /// # Errors
    /// If the folder or a file cannot be written.
    pub fn write_inventory(&self, folder: &Path) -> io::Result<u64> {
        fs::create_dir_all(folder)?;
        // Beside the new endpoints it would stand in the way of a load.
        match fs::remove_file(folder.join(FILES[2])) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::write(folder.join("inventory.toml"), catalog(self))?;
        let mut endpoints = BufWriter::new(File::create(folder.join("endpoints.csv"))?);
        writeln!(endpoints, "iccid,imsi,msisdn,state,group,secondary_groups,static_ip,name")?;
        let mut count = 0;
        for fleet in self.fleet.iter().filter(|fleet| fleet.endpoints.is_none()) {
            let Some(state) = provisioned(fleet.state) else { continue };
            for number in 0..u64::from(fleet.count) {
                write_endpoint(&mut endpoints, fleet, u64::from(fleet.first) + number, state)?;
                count += 1;
            }
        }
        endpoints.flush()?;
        Ok(count)
    }
}

fn catalog(scenario: &Scenario) -> String {
    let mut text = String::new();
    let mut vslices: Vec<&str> = Vec::new();
    for group in &scenario.group {
        if !vslices.contains(&group.vslice.as_str()) {
            vslices.push(&group.vslice);
        }
    }
    // Writing into a String cannot fail.
    for vslice in vslices {
        let _ = writeln!(text, "[[vslice]]\nmoniker = \"{vslice}\"\nname = \"{vslice}\"\n");
        let groups = || scenario.group.iter().filter(|group| group.vslice == vslice);
        let mut subnets: Vec<(String, &str)> = groups().flat_map(subnets).collect();
        subnets.sort();
        subnets.dedup();
        for (cidr, allocation) in subnets {
            let _ = writeln!(
                text,
                "[[vslice.subnet]]\ncidr = \"{cidr}\"\nallocation = \"{allocation}\"\n"
            );
        }
    }
    for GroupSpec { moniker, vslice, allocation, apn, refused, .. } in &scenario.group {
        let apns = if apn.is_empty() { String::new() } else { format!("\"{apn}\"") };
        let _ = writeln!(
            text,
            "[[group]]\nmoniker = \"{moniker}\"\nname = \"{moniker}\"\nvslice = \"{vslice}\"\nenabled = {}",
            refused.is_none()
        );
        let _ = writeln!(text, "allocation = \"{}\"\napns = [{apns}]\n", word(*allocation));
    }
    text
}

fn subnets(group: &GroupSpec) -> impl Iterator<Item = (String, &'static str)> {
    let allocation = word(group.allocation);
    group.subnets.iter().map(move |subnet| (subnet.to_string(), allocation))
}

const fn word(allocation: AllocationSpec) -> &'static str {
    match allocation {
        AllocationSpec::Static => "static",
        AllocationSpec::Pooled => "pooled",
    }
}

/// As the column `state` names it; none for an endpoint that nobody has provisioned.
const fn provisioned(state: State) -> Option<&'static str> {
    match state {
        State::Active => Some("active"),
        State::Pending => Some("pending"),
        State::Suspended => Some("suspended"),
        State::Terminated => Some("terminated"),
        State::Unknown => None,
    }
}

fn write_endpoint(
    file: &mut impl Write,
    fleet: &FleetSpec,
    number: u64,
    state: &str,
) -> io::Result<()> {
    let mut digits = Vec::new();
    for pattern in [&fleet.iccid, &fleet.imsi, &fleet.msisdn] {
        if let Some(pattern) = pattern {
            Pattern::write(pattern, number, &mut digits);
            file.write_all(&digits)?;
        }
        file.write_all(b",")?;
    }
    // A pending endpoint is in no group (PROTOCOL 6).
    let group = if fleet.state == State::Pending { "" } else { &fleet.group };
    writeln!(file, "{state},{group},,,")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::scenario::load;

    #[test]
    fn every_endpoint_has_a_row_and_every_group_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let scenario = load("smoke", &[]).unwrap().scenario;
        assert_eq!(scenario.write_inventory(folder.path()).unwrap(), 120 + 8 + 40 + 16);
        let endpoints = fs::read_to_string(folder.path().join("endpoints.csv")).unwrap();
        assert_eq!(
            endpoints.lines().nth(1),
            Some("8944500000000000014,234500000000001,447700000001,active,epos,,,")
        );
        assert_eq!(endpoints.lines().filter(|line| line.contains(",suspended,epos,")).count(), 8);
        let catalog: toml::Table =
            fs::read_to_string(folder.path().join("inventory.toml")).unwrap().parse().unwrap();
        assert_eq!(catalog["group"].as_array().map(Vec::len), Some(3));
        assert_eq!(catalog["vslice"].as_array().map(Vec::len), Some(2));
    }
}
