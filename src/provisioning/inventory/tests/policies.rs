//! Policies in the file, and what it refers to and does not describe.

use std::sync::Arc;

use super::*;
use crate::policy::{ImeiLock, PolicyEntry, WhenMissing};
use crate::provisioning::{
    AddressFamilies, CatalogEntry, EventMap, EventScope, Group, ListingStatus, Policy,
};

const WITH_POLICY: &str = r#"
    [[policy]]
    moniker = "home"
    when_missing = "reject"
    imei_lock = "learn"
    allow_2g = false
    [[policy.entry]]
    operator = "26201"
    radio = ["nb-iot", "lte-m"]
    tac = ["35349006"]
    action = "allow"
    [[policy.entry]]
    country = "de"
    action = "allow"
    [[policy.entry]]
    international = true
    action = "reject-soft"
    [[policy.entry]]
    action = "reject"

    [[vslice]]
    moniker = "festival"
    event_map = "ours"
    [[vslice.subnet]]
    cidr = "100.64.0.0/24"
    [[group]]
    moniker = "epos"
    vslice = "festival"
    policy = "home"
    event_map = "ours"
    families = ["ipv6", "ipv4"]
    partial_dual_stack = true
    disconnect = false
    [[group]]
    moniker = "vans"
    vslice = "festival"
    policy = "by-hand"
"#;

#[test]
fn every_key_of_a_policy_and_of_its_groups_is_read() {
    let inventory = load(WITH_POLICY, "iccid\n");
    let catalog = &inventory.catalog;
    let (home, entry) = catalog.find::<Policy>("home").unwrap();
    let policy = &entry.thing;
    assert_eq!((policy.when_missing, policy.imei_lock), (WhenMissing::Reject, ImeiLock::Learn));
    assert_eq!([policy.allow_2g, policy.allow_3g, policy.allow_45g], [false, true, true]);
    assert_eq!(
        policy.entries.iter().map(PolicyEntry::to_string).collect::<Vec<_>>(),
        [
            "operator 26201, radio nb-iot|lte-m, tac 35349006: allow",
            "country DE: allow",
            "international: reject-soft",
            "everywhere: reject"
        ]
    );
    let group = |moniker| catalog.group_by_moniker(moniker).unwrap().1;
    let [epos, vans] = ["epos", "vans"].map(group);
    assert_eq!((epos.policy, epos.families), (Some(home), AddressFamilies::Both));
    assert_eq!((epos.partial_dual_stack, epos.disconnect), (true, false));
    assert_eq!((vans.families, vans.disconnect), (AddressFamilies::Ipv4, true));

    let map = |id| catalog.place::<EventMap>(id).unwrap().thing.moniker.as_str();
    let slice = catalog.vslice_by_moniker("festival").unwrap().1;
    assert_eq!([epos.event_map, slice.event_map].map(|id| id.map(map)), [Some("ours"); 2]);
    assert_eq!(catalog.all::<EventMap>().count(), 0, "a file does not make event maps");
    assert_ne!(vans.policy, epos.policy);
    let named: Vec<_> = inventory
        .elsewhere
        .iter()
        .map(|named| (named.line, named.object.moniker.as_str()))
        .collect();
    assert_eq!(named, [(23, "ours"), (30, "ours"), (37, "by-hand")]);
}

/// A person made the map; then its name in a file means it, and the export writes it back.
#[test]
fn what_a_section_names_must_be_there_when_it_is_applied() {
    let file = load(WITH_POLICY, "iccid\n").catalog;
    let merge = |catalog: &Catalog, files: &Catalog| {
        catalog.merged(files, Authority::LastWriter, Prune::No, 1)
    };
    let missing = merge(&Catalog::default(), &file).missing;
    let names: Vec<_> = missing.iter().map(|object| object.moniker.as_str()).collect();
    assert_eq!(names, ["ours", "ours", "by-hand"]);

    let mut catalog = Catalog::default();
    let moniker = |text: &str| Moniker::parse(text).unwrap();
    let map = catalog.list(EventMap::new(moniker("ours"), "Ours", EventScope::Vslice));
    let by_hand = catalog.list(Policy::new(moniker("by-hand"), "By hand"));
    let merged = merge(&catalog, &file);
    assert_eq!(merged.missing, []);
    let group = |moniker| merged.catalog.group_by_moniker(moniker).unwrap().1;
    assert_eq!((group("epos").event_map, group("vans").policy), (Some(map), Some(by_hand)));

    let dir = tempfile::tempdir().unwrap();
    export(dir.path(), &merged.catalog, []).unwrap();
    let written = Inventory::load(dir.path()).unwrap();
    let again = merge(&merged.catalog, &written.catalog);
    let parts = |catalog: &Catalog| {
        let groups: Vec<_> = catalog.groups().map(|(_, group)| group.clone()).collect();
        let policies: Vec<_> = catalog.all::<Policy>().map(|(_, one)| one.clone()).collect();
        let vslices: Vec<_> = catalog.vslices().map(|(_, vslice)| vslice.clone()).collect();
        (groups, policies, vslices)
    };
    assert_eq!((again.missing, parts(&again.catalog)), (Vec::new(), parts(&merged.catalog)));

    // A person takes both away: a section that says nothing new does not miss them.
    let mut without = merged.catalog.clone();
    for (id, entry) in merged.catalog.entries::<Group>() {
        let thing = Group { event_map: None, policy: None, ..(*entry.thing).clone() };
        without.set(id, CatalogEntry { thing: Arc::new(thing), ..entry.clone() });
    }
    let removed = CatalogEntry {
        status: ListingStatus::Removed,
        ..without.place::<EventMap>(map).unwrap().clone()
    };
    without.set(map, removed);
    let silent = merge(&without, &file);
    assert_eq!((silent.missing, silent.applied), (Vec::new(), 0));
    assert_eq!(silent.catalog.group_by_moniker("epos").unwrap().1.event_map, None);
}

#[test]
fn operators_have_names_and_numbers() {
    let dir = folder(CATALOG_TEXT, b"iccid\n");
    let write = |text: &str| fs::write(dir.path().join(OPERATORS), text).unwrap();
    write("operatorId,plmns,iso3,name\n2145,26201;26206,DEU,Example Mobile\n122,310410,,Other\n");
    let operators = Arc::clone(&Inventory::load(dir.path()).unwrap().catalog.operators);
    let one = operators.by_id(2145).unwrap();
    let plmns: Vec<String> = one.plmns.iter().map(ToString::to_string).collect();
    assert_eq!((plmns.join(" ").as_str(), one.name.as_str()), ("26201 26206", "Example Mobile"));
    assert_eq!(operators.by_id(26201), None);
    assert_eq!(Inventory::operators(dir.path()), *operators);
    write("operatorId,plmns,iso3,name\n1,2620,ZZ,\n2,26201,DE,\n2,26202,DE,\nx,26201,,\n5,26201\n");
    let said = Inventory::load(dir.path()).unwrap_err().to_string();
    let said = said.replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(
        said,
        "operators.csv:2: plmns: a PLMN has 5 or 6 digits; write them as in 26201;26206\n\
         operators.csv:2: iso3: there is no such country (ISO 3166-1); correct it\n\
         operators.csv:4: operatorId: 2 stands in line 3 already; leave it in one of them\n\
         operators.csv:5: operatorId: a number of at most six digits; correct it\n\
         operators.csv:6: 2 fields instead of 4; add or remove commas"
    );
}
