//! Whole folders in, inventories or problems out.

mod policies;
mod round_trip;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::provisioning::{Authority, GroupFault, ProvisioningState, Prune};

const CATALOG_TEXT: &str = r#"
    [[vslice]]
    moniker = "festival"
    [[vslice.subnet]]
    cidr = "100.64.0.0/24"

    [[group]]
    moniker = "epos"
    vslice = "festival"
    [[group]]
    moniker = "vans"
    vslice = "festival"
"#;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn folder(catalog: &str, endpoints: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(CATALOG), catalog).unwrap();
    fs::write(dir.path().join(ENDPOINTS), endpoints).unwrap();
    dir
}

fn load(catalog: &str, endpoints: &str) -> Inventory {
    Inventory::load(folder(catalog, endpoints.as_bytes()).path()).unwrap()
}

/// One folder a case: what it holds is loaded, and `problems.txt` has what must be said about it.
#[test]
fn bad_inventories_are_refused_with_every_problem() {
    for case in fs::read_dir(fixtures().join("bad-inventories")).unwrap() {
        let case = case.unwrap().path();
        let said = Inventory::load(&case).unwrap_err().to_string();
        let wanted = fs::read_to_string(case.join("problems.txt")).unwrap();
        assert_eq!(
            said.replace(&format!("{}/", case.display()), ""),
            wanted.trim_end(),
            "{}",
            case.display()
        );
    }
}

#[test]
fn a_foreign_separator_is_told() {
    let header = "iccid,imsi,group";
    for (separator, shown) in [(";", "';'"), ("\t", "'\\t'"), ("|", "'|'")] {
        let rows =
            format!("{header}\n8944500000000000014,234500000000001,epos\n").replace(',', separator);
        let without_header = rows.lines().nth(1).unwrap();
        for text in [rows.as_str(), without_header] {
            let said = Inventory::load(folder(CATALOG_TEXT, text.as_bytes()).path())
                .unwrap_err()
                .to_string();
            assert!(
                said.ends_with(&format!(
                    ":1: the columns are separated by {shown}; separate them by commas"
                )),
                "{said}"
            );
        }
    }
}

#[test]
fn no_message_gives_a_subscriber_away_unless_it_is_wanted() {
    let text = "iccid,state,group\n8944500000000000014,234500000000001,epos\n8944500000000000022,,447700000001\n";
    let dir = folder(CATALOG_TEXT, text.as_bytes());
    let said = Inventory::load(dir.path()).unwrap_err().to_string();
    assert!(
        said.contains("there is no state \"234500..\"")
            && said.contains("there is no group \"447700..\""),
        "{said}"
    );
    let rules = Rules { masks_identities: false, ..Rules::default() };
    let said = Inventory::load_by(dir.path(), rules).unwrap_err().to_string();
    assert!(said.contains("\"234500000000001\"") && said.contains("\"447700000001\""), "{said}");

    let header = "8944500000000000,234500000000001\n";
    let said =
        Inventory::load(folder(CATALOG_TEXT, header.as_bytes()).path()).unwrap_err().to_string();
    assert!(said.contains("unknown column \"894450..\"") && !said.contains("0000000"), "{said}");
}

#[test]
fn a_wrong_check_digit_may_be_a_warning() {
    let dir = folder(CATALOG_TEXT, b"iccid,imsi,group\n8944500000000000015,234500000000001,epos\n");
    let said = Inventory::load(dir.path()).unwrap_err().to_string();
    assert!(
        said.contains(":2: iccid: the check digit (Luhn) is wrong: 4 is expected, not 5; "),
        "{said}"
    );
    let inventory =
        Inventory::load_by(dir.path(), Rules { luhn_refuses: false, ..Rules::default() }).unwrap();
    assert_eq!(inventory.endpoints.len(), 1);
    assert!(
        inventory
            .warnings
            .iter()
            .any(|warning| warning.line == Some(2) && warning.what.contains("4 is expected"))
    );
}

#[test]
fn a_subnet_that_nobody_can_use_is_a_warning() {
    let cases = [
        ("127.0.0.0/24", "", "is loopback"),
        ("239.0.0.0/24", "", "is multicast"),
        ("0.0.0.0/24", "", "this network"),
        ("250.0.0.0/24", "", "is reserved"),
        (
            "100.70.0.0/24",
            "\"100.70.0.0/25\", \"100.70.0.128/25\"",
            "reserved or excluded as a whole",
        ),
        ("100.70.0.0/24", "\"100.70.0.0/25\"", ""),
    ];
    for (cidr, exclude, warning) in cases {
        let text = format!(
            "[[vslice]]\nmoniker = \"v\"\n[[vslice.subnet]]\ncidr = \"{cidr}\"\nexclude = [{exclude}]\n"
        );
        let warnings = load(&text, "iccid\n").warnings;
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), usize::from(!warning.is_empty()), "{told:?}");
        assert!(
            told.iter().all(|told| told.contains(":4: cidr: ") && told.contains(warning)),
            "{told:?}"
        );
    }
}

#[test]
fn whoever_asks_is_told_what_may_well_be_meant() {
    let catalog = "[[vslice]]\nmoniker = \"v\"\n[[vslice.subnet]]\ncidr = \"100.70.0.0/30\"\n[[group]]\nmoniker = \"g\"\nvslice = \"v\"\n";
    let rows = "iccid,imsi,state,group\n8944500000000000014,234500000000001,,g\n8944500000000000022,,,g\n8944500000000000030,,,g\n\
                8944500000000000048,,terminated,g\n";
    let inventory = load(catalog, rows);
    let told: Vec<String> = inventory
        .advice
        .iter()
        .map(|advice| format!("{:?} {}", advice.line, advice.what))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("Some(3) 2 active endpoints have nothing but an ICCID"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("None VSlice v has 1 static addresses for 3 endpoints"),
        "{told:?}"
    );
}

#[test]
fn a_missing_folder_is_one_problem() {
    let said = Inventory::load(Path::new("nowhere")).unwrap_err().to_string();
    assert_eq!(
        said,
        "nowhere: there is no such inventory folder; create it with inventory.toml and endpoints.csv, or name another"
    );
}

#[test]
fn without_groups_there_need_be_no_endpoints() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(CATALOG), "").unwrap();
    assert_eq!(Inventory::load(dir.path()).unwrap().endpoints, []);
}

#[test]
fn what_is_not_written_has_its_default() {
    let inventory = load(CATALOG_TEXT, "iccid\n8944500000000000014\n");
    let (_, group) = inventory.catalog.group_by_moniker("epos").unwrap();
    assert_eq!((group.name.as_str(), group.enabled, group.interim_interval_s), ("epos", true, 600));
    assert_eq!((group.session_timeout_s, group.idle_timeout_s, &group.credentials), (0, 0, &None));
    assert_eq!(
        inventory.endpoints,
        [("8944500000000000014".parse().unwrap(), Endpoint::new(ProvisioningState::Pending))]
    );
}

#[test]
fn an_address_may_be_excluded_by_itself() {
    let catalog =
        CATALOG_TEXT.replace("/24\"", "/24\"\n exclude = [\"100.64.0.5\", \"100.64.0.8/29\"]");
    let inventory = load(&catalog, "iccid\n");
    let excluded: Vec<String> = inventory
        .catalog
        .vslices()
        .flat_map(|(_, vslice)| &vslice.subnets[0].exclude)
        .map(ToString::to_string)
        .collect();
    assert_eq!(excluded, ["100.64.0.5/32", "100.64.0.8/29"]);
}

#[test]
fn a_state_not_written_follows_from_the_group() {
    let table = [
        ("", "epos", ProvisioningState::Active),
        ("", "", ProvisioningState::Pending),
        ("active", "epos", ProvisioningState::Active),
        // Meant for the group, and not in use there yet.
        ("pending", "epos", ProvisioningState::Pending),
        ("suspended", "epos", ProvisioningState::Suspended),
        ("terminated", "", ProvisioningState::Terminated),
        ("reinstated", "", ProvisioningState::Pending),
    ];
    for (state, group, wanted) in table {
        let inventory = load(
            CATALOG_TEXT,
            &format!("iccid,state,group\n8944500000000000014,{state},{group}\n"),
        );
        let (iccid, endpoint) = &inventory.endpoints[0];
        assert_eq!(endpoint.state, wanted, "{state:?} in {group:?}");
        assert_eq!(endpoint.group.is_some(), !group.is_empty());
        assert_eq!(inventory.reinstated.contains(iccid), state == "reinstated");
    }
}

/// The same two endpoints as different programs write them.
#[test]
fn a_file_may_be_written_in_many_ways() {
    let plain = "iccid,imsi,group,secondary_groups,name\n\
                 8944500000000000014,234500000000001;901280000000001,epos,vans,\"till 1, left\"\n\
                 8944500000000000022,,vans,,\n";
    let wanted = load(CATALOG_TEXT, plain).endpoints;
    assert_eq!(wanted[0].1.name.as_deref(), Some("till 1, left"));
    assert_eq!(wanted[0].1.imsis().count(), 2);
    let variants = [
        ("CRLF", plain.replace('\n', "\r\n")),
        ("byte order mark", format!("\u{feff}{plain}")),
        ("no line end at the end", plain.trim_end().to_owned()),
        ("blank lines", plain.replace('\n', "\n\n  \n")),
        (
            "blanks around fields",
            plain.replace("epos,vans", " epos\t, vans ").replace("iccid,imsi", " iccid , imsi"),
        ),
        (
            "all in quotes",
            plain
                .replace("epos,vans", "\"epos\",\"vans\"")
                .replace("iccid,imsi", "\"iccid\",\"imsi\""),
        ),
    ];
    for (variant, text) in variants {
        assert_eq!(load(CATALOG_TEXT, &text).endpoints, wanted, "{variant}");
    }
    let turned = "name,secondary_groups,group,iccid,imsi\n\
                  \"till 1, left\",vans,epos,8944500000000000014,234500000000001;901280000000001\n\
                  ,,vans,8944500000000000022,\n";
    assert_eq!(load(CATALOG_TEXT, turned).endpoints, wanted, "columns in another order");
}

#[test]
fn lines_are_counted_through_every_kind_of_line_end() {
    let text = "iccid,group\n8944500000000000014,epos\n\n8944500000000000022,none\n8944500000000000030,none";
    for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}\n")] {
        let problems = Inventory::load(folder(CATALOG_TEXT, text.as_bytes()).path()).unwrap_err();
        assert_eq!(
            problems.iter().map(|problem| problem.line).collect::<Vec<_>>(),
            [Some(4), Some(5)],
            "{text:?}"
        );
    }
}

#[test]
fn endpoints_may_be_packed() {
    let text = b"iccid,group\n8944500000000000014,epos\n";
    let dir = folder(CATALOG_TEXT, text);
    let plain = Inventory::load(dir.path()).unwrap();
    fs::remove_file(dir.path().join(ENDPOINTS)).unwrap();
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).unwrap();
    let packed = packer.finish().unwrap();
    fs::write(dir.path().join(ENDPOINTS_GZ), &packed).unwrap();
    assert_eq!(Inventory::load(dir.path()).unwrap().endpoints, plain.endpoints);

    fs::write(dir.path().join(ENDPOINTS_GZ), &packed[..packed.len() - 4]).unwrap();
    let said = Inventory::load(dir.path()).unwrap_err().to_string();
    assert!(
        said.contains("endpoints.csv.gz: cannot be read") && said.ends_with("write it anew"),
        "{said}"
    );
}

/// As the adoption of `second` makes it, where `first` is in force.
fn merged(mut second: Inventory, first: &Inventory) -> Inventory {
    let nothing =
        Catalog::default().merged(&first.catalog, Authority::LastWriter, Prune::No, 1).catalog;
    let merged = nothing.merged(&second.catalog, Authority::LastWriter, Prune::No, 2);
    second.rename_groups(&merged.groups);
    Inventory { catalog: merged.catalog, ..second }
}

#[test]
fn what_succeeds_another_keeps_its_handles_and_tells_what_is_gone() {
    let first = load(CATALOG_TEXT, "iccid\n");
    let group = |inventory: &Inventory, moniker: &str| {
        inventory.catalog.group_by_moniker(moniker).unwrap().0
    };
    let turned = CATALOG_TEXT
        .replace("\"epos\"", "\"tills\"")
        .replace("\"vans\"", "\"epos\"")
        .replace("\"tills\"", "\"vans\"");
    let dir = folder(
        &turned.replace("\"epos\"", "\"tills\""),
        b"iccid,group,secondary_groups\n8944500000000000014,vans,tills\n",
    );
    let second = Inventory::load(dir.path()).unwrap();
    assert_ne!(group(&second, "vans"), group(&first, "vans"));
    assert_eq!(second.gone(&second.catalog), []);

    let second = merged(second, &first);
    assert_eq!(group(&second, "vans"), group(&first, "vans"));
    assert_eq!(group(&second, "epos"), group(&first, "epos"), "what is gone is kept");
    let groups: Vec<_> = second.endpoints[0].1.groups().collect();
    assert_eq!(groups, [group(&second, "vans"), group(&second, "tills")]);
    let told: Vec<String> = second.gone(&second.catalog).iter().map(ToString::to_string).collect();
    let file = dir.path().join(CATALOG);
    assert_eq!(
        told,
        [format!(
            "{}: group epos is gone from the file and kept; put it back, or reload with --prune",
            file.display()
        )]
    );
}

#[test]
fn a_vslice_keeps_its_handle_in_its_groups() {
    let further = "[[vslice]]\nmoniker = \"depot\"\n";
    let first = load(&format!("{further}{CATALOG_TEXT}"), "iccid\n");
    let second = merged(load(CATALOG_TEXT, "iccid\n"), &first);
    let vslice =
        |inventory: &Inventory| inventory.catalog.group_by_moniker("epos").unwrap().1.vslice;
    assert_eq!(vslice(&second), vslice(&first));
    assert!(
        second.gone(&second.catalog)[0]
            .to_string()
            .contains("VSlice depot is gone from the file and kept")
    );
}

#[test]
fn a_short_interim_interval_is_odd_but_permitted() {
    let text = CATALOG_TEXT.replacen(
        "vslice = \"festival\"",
        "vslice = \"festival\"\ninterim_interval_s = 60",
        1,
    );
    let warnings = load(&text, "iccid\n").warnings;
    assert!(
        warnings[0].what.contains("RFC 2869 5.16 advises") && warnings.len() == 1,
        "{warnings:?}"
    );
}

#[test]
fn the_festival_loads() {
    let festival = Inventory::load(&fixtures().join("festival")).unwrap();
    let warnings: Vec<String> = festival.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].ends_with(
        "VSlice camping has no pooled subnet: the endpoints of group drones are refused; \
         add such a subnet, or change the group's allocation"
    ));
    let (drones, _) = festival.catalog.group_by_moniker("drones").unwrap();
    assert_eq!(festival.catalog.fault(drones), Some(GroupFault::NoSubnet));
    for state in ProvisioningState::ALL {
        assert!(
            festival.endpoints.iter().any(|(_, endpoint)| endpoint.state == state),
            "an endpoint that is {state}"
        );
    }
    let (first, endpoint) = &festival.endpoints[0];
    assert_eq!(
        (first.to_string().as_str(), endpoint.name.as_deref()),
        ("8944500000000000014", Some("till 1"))
    );
}

#[test]
fn an_export_overwrites_nothing() {
    let dir = folder("", b"iccid\n");
    let error = export(dir.path(), &Catalog::default(), []).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(dir.path().join(ENDPOINTS)).unwrap(), "iccid\n");
}

/// Texts that are nearly right reach deeper than noise.
fn nearly_endpoints() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "iccid,imsi,msisdn,state,group,secondary_groups,static_ip,name\n",
        "iccid",
        "8944500000000000014",
        "234500000000001",
        "epos",
        "vans",
        "100.64.0.9",
        "active",
        "reinstated",
        ",",
        ";",
        "\"",
        "\r",
        "\n",
        "\u{feff}",
        "\0",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

fn nearly_catalog() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "[[vslice]]\n",
        "[[vslice.subnet]]\n",
        "[[group]]\n",
        "[vslice]\n",
        "moniker = \"a\"\n",
        "moniker = 7\n",
        "vslice = \"a\"\n",
        "vslice = [1]\n",
        "cidr = \"10.0.0.0/8\"\n",
        "cidr = \"10.0.0.0/31\"\n",
        "exclude = [\"10.0.0.0/32\", []]\n",
        "dns = [\"9.9.9.9\", 1, {}]\n",
        "credentials = \"pap\"\n",
        "interim_interval_s = 99999999999999999999\n",
        "allocation = \"pooled\"\n",
        "\"",
        "= [",
    ]);
    prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat())
}

fn judge(catalog: &str, endpoints: &[u8]) {
    let mut report = ProblemCollector::default();
    let read = catalog_file::read(catalog, &mut report);
    let is_read = read.is_some();
    let CatalogFile { catalog, groups, .. } = read.unwrap_or_default();
    let names = is_read.then_some(groups);
    let groups = Groups { catalog: &catalog, names: names.as_ref() };
    endpoint_file::read(endpoints, 0, groups, &mut report).unwrap();
    for problem in report.conclude().err().iter().flat_map(InventoryProblems::iter) {
        assert_eq!(problem.to_string().lines().count(), 1, "{problem}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_judged_without_a_panic(catalog in any::<String>(), endpoints in any::<Vec<u8>>()) {
        judge(&catalog, &endpoints);
    }

    #[test]
    fn nearly_right_files_are_judged_without_a_panic(catalog in nearly_catalog(), endpoints in nearly_endpoints()) {
        judge(&catalog, &endpoints);
        judge(CATALOG_TEXT, &endpoints);
    }
}

#[test]
fn the_fingerprint_tells_whether_to_read_the_files_again() {
    const ROWS: &str = "iccid,imsi\n8944500000000000014,234500000000001\n";
    let dir = folder(CATALOG_TEXT, ROWS.as_bytes());
    let read = || Inventory::load(dir.path()).unwrap().fingerprint.unwrap();
    let of = |dir: &Path| Fingerprint::of(dir, Rules::default());
    let first = read();
    assert_eq!(of(dir.path()).unwrap(), first);
    let mut all = vec![first];
    let changes = [
        (CATALOG, format!("{CATALOG_TEXT}\n")),
        (ENDPOINTS, format!("{ROWS}\n")),
        (ENDPOINTS, ROWS.replace('4', "5")),
    ];
    for (file, text) in changes {
        fs::write(dir.path().join(file), text).unwrap();
        let changed = of(dir.path()).unwrap();
        assert!(!all.contains(&changed), "{file}");
        all.push(changed);
    }

    fs::write(dir.path().join(ENDPOINTS), ROWS).unwrap();
    let mut packer = GzEncoder::new(
        File::create(dir.path().join(ENDPOINTS_GZ)).unwrap(),
        Compression::default(),
    );
    packer.write_all(ROWS.as_bytes()).unwrap();
    packer.finish().unwrap();
    assert!(of(dir.path()).is_err(), "which of the two");
    fs::remove_file(dir.path().join(ENDPOINTS)).unwrap();
    assert_eq!(of(dir.path()).unwrap(), read());
    assert!(of(Path::new("nowhere")).is_err());
}

#[test]
fn files_are_read_again_under_rules_that_find_other_things_in_them() {
    let dir = folder(CATALOG_TEXT, b"iccid,imsi\n8944500000000000014,234500000000001\n");
    let of = |rules| Fingerprint::of(dir.path(), rules).unwrap();
    let strict = Rules::default();
    let lenient = Rules { luhn_refuses: false, ..strict };
    assert_ne!(of(lenient), of(strict), "what was a warning may be an error now");
    assert_eq!(of(Rules { masks_identities: false, ..strict }), of(strict), "only words differ");
}

#[test]
fn the_warnings_are_told_without_reading_the_endpoints() {
    let festival = fixtures().join("festival");
    let told = Inventory::warnings(&festival);
    assert_eq!((told.len(), &told), (1, &Inventory::load(&festival).unwrap().warnings));
}
