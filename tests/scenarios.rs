//! Runs every file of `tests/scenarios/`; and holds their index to what they show.

mod support;

use support::scenario;

#[test]
fn every_scenario_plays_as_written() {
    let files = scenario::files();
    assert!(!files.is_empty(), "there are no scenarios in {}", scenario::folder().display());
    let broken: Vec<String> = files.iter().filter_map(|file| scenario::run(file).err()).collect();
    assert!(broken.is_empty(), "{} of {} scenarios:\n\n{}\n", broken.len(), files.len(), broken.join("\n\n"));
}
