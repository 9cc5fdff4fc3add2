//! How long a million endpoints take from their file into memory, and how much of it they need.
//!
//! `cargo bench --bench import` measures; with `-- --test`, or under `cargo test --benches`, a
//! thousand rows only prove that it works.
#![allow(clippy::disallowed_methods, reason = "a benchmark is a shell: it reads the clock")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use attachd::identity::Iccid;
use attachd::provisioning::{Inventory, export};

const CATALOG: &str = r#"
    [[vslice]]
    moniker = "meters"
    [[vslice.subnet]]
    cidr = "100.64.0.0/10"

    [[group]]
    moniker = "water"
    vslice = "meters"
    [[group]]
    moniker = "power"
    vslice = "meters"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let rows = if has("--test") || !has("--bench") { 1_000 } else { 1_000_000 };

    let dir = tempfile::tempdir()?;
    write_inventory(dir.path(), rows)?;
    let before = resident_mb();
    let (inventory, load_s) = timed(|| Inventory::load(dir.path()));
    let inventory = inventory?;
    let after = resident_mb();
    assert_eq!(inventory.endpoints.len(), rows);
    println!(
        "import: {rows} endpoints in {load_s:.2} s; resident {before} MB before, {after} MB after, {} MB at most",
        peak_mb()
    );

    let (again, reload_s) = timed(|| Inventory::load(dir.path()));
    assert_eq!(again?.endpoints.len(), rows);
    println!("reload: {reload_s:.2} s");

    let endpoints = inventory.endpoints.iter().map(|(iccid, endpoint)| (*iccid, endpoint));
    let (exported, export_s) =
        timed(|| export(&dir.path().join("export"), &inventory.catalog, endpoints));
    exported?;
    println!("export: {export_s:.2} s");
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

/// Rows as an order of SIMs has them: numbers in sequence, every field but `secondary_groups`
/// filled.
fn write_inventory(dir: &Path, rows: usize) -> Result<(), Box<dyn Error>> {
    fs::write(dir.join("inventory.toml"), CATALOG)?;
    let mut file = BufWriter::new(File::create(dir.join("endpoints.csv"))?);
    writeln!(file, "iccid,imsi,msisdn,state,group,secondary_groups,static_ip,name")?;
    for row in 0..rows {
        let iccid = iccid(row).ok_or("no check digit fits")?;
        let group = if row % 2 == 0 { "water" } else { "power" };
        let ip = std::net::Ipv4Addr::from(0x6440_0002 + row as u32);
        writeln!(file, "{iccid},23450{row:010},4477{row:08},active,{group},,{ip},meter {row}")?;
    }
    Ok(file.flush()?)
}

fn iccid(number: usize) -> Option<Iccid> {
    (0..10)
        .filter_map(|digit| format!("8944500{number:011}{digit}").parse().ok())
        .find(|iccid: &Iccid| iccid.luhn_is_valid())
}

fn resident_mb() -> u64 {
    status_mb("VmRSS:")
}

fn peak_mb() -> u64 {
    status_mb("VmHWM:")
}

/// A line of `/proc/self/status`; 0 where there is none.
fn status_mb(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}
