//! Golden octets both ways, every value there and back, and nothing panics.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::address::{Address, Ipv6Prefix};
use crate::identity::{
    Apn, EventHandlerId, EventMapId, GroupId, Imei, Imeisv, Imsi, Moniker, Msisdn, Plmn, PolicyId,
    VsliceId,
};
use crate::network::AuthorisationNumber;
use crate::network::{
    Bearer, CloseCause, Ended, Ending, Lease, LeaseKind, LeasePhase, LocationInfo, Nas,
    NetworkState, PolicyViolation, Session, Status,
};
use crate::policy::{
    CountryCode, ImeiLock, PolicyAction, PolicyEntry, PolicyReason, RadioClass, Tac, WhenMissing,
};
use crate::provisioning::{
    AddressFamilies, Allocation, CatalogEntry, CatalogKind, CatalogObject, CodeDigest,
    CredentialMethod, Credentials, EndpointHistory, EventHandler, EventMap, EventScope, EventType,
    Group, Labels, ListingStatus, Origin, Policy, ProvisioningState, Spelling, StockSim, Subnet,
    Subscription, Vslice, Webhook, random_uuid,
};

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

fn iccid() -> Iccid {
    Iccid::parse(b"8944500000000000014").unwrap()
}

/// The record as it lies on disk.
fn framed(put: impl FnOnce(&mut Batch) -> Result<(), TooLarge>) -> Vec<u8> {
    let mut batch = Batch::default();
    put(&mut batch).unwrap();
    batch.octets().to_vec()
}

fn read(framed: &[u8]) -> Result<Record, Unreadable> {
    match crate::journal::format::frame::read(framed) {
        crate::journal::format::frame::Parsed::Whole(entry, size) if size == framed.len() => {
            Record::read(&entry)
        }
        other => panic!("{other:?}"),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

/// A session as a packet gateway reports it: everything 3GPP has, one bearer.
fn typical_session() -> Session {
    let bearer = Bearer {
        acct_session_id: "C0A8010A0000F00D".into(),
        input: 123_456_789,
        output: 1_234_567_890,
        event_time: NOW,
        status: Status::Interim,
    };
    let began = EventTime::at(Timestamp::from_secs(NOW.secs() - 86_400));
    let heard = Timestamp::from_micros(NOW.micros() + 21_000);
    let mut session =
        Session::new(GatewayId::new(3), &Nas::numbered(0xc0a8_010a), bearer, began, heard);
    session.group = Some(GroupId::new(12));
    session.ip = Some(Ipv4Addr::new(100, 64, 3, 4));
    session.authorisation = NonZeroU64::new(0xfeed_f00d_dead_beef);
    session.set_apn("festival.iot");
    session.move_to(&LocationInfo {
        rat: Some(6),
        plmn: Plmn::parse(b"23415").ok(),
        serving_node: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        location: Some(&[
            0x82, 0x32, 0xf4, 0x51, 0x10, 0x92, 0x32, 0xf4, 0x51, 0x00, 0x01, 0x02, 0x03,
        ]),
        imeisv: Imeisv::parse(b"3512340012345678").ok(),
        time_zone: Some([0x40, 1]),
        charging_id: Some(0xdead_beef),
    });
    session
}

fn typical_state() -> EndpointState {
    let lease = Lease {
        group: GroupId::new(12),
        vslice: VsliceId::new(2),
        ip: [100, 64, 3, 4].into(),
        kind: LeaseKind::Static,
        phase: LeasePhase::InUse,
    };
    let last_activity = Timestamp::from_micros(NOW.micros() + 21_000);
    let (sessions, leases) =
        ([typical_session()].into_iter().collect(), [lease].into_iter().collect());
    let base = EndpointState::new(NetworkState::Active);
    EndpointState { last_activity, version: 1789, sessions, leases, ..base }
}

#[test]
fn an_endpoint_with_one_session_takes_at_most_200_octets() {
    let octets = framed(|batch| batch.put_endpoint(iccid(), &typical_state()));
    assert_eq!(octets.len(), 157);
    assert_eq!(read(&octets), Ok(Record::Endpoint { iccid: iccid(), state: typical_state() }));
}

/// What is on the disks of others must be read for ever: a change of these octets is a new format.
/// An Accounting-On of an odd clock, from a gateway that says all of itself.
fn restart() -> Restart {
    let nas =
        Nas::new([192, 0, 2, 1].into(), Some([192, 168, 1, 10].into()), None, Some(b"pgw-01"));
    let reporter =
        Reporter { gateway: GatewayId::new(3), range: "192.0.2.0/28".parse().unwrap(), nas };
    let at =
        EventTime { shown: Timestamp::from_secs(NOW.secs() - 2), order: Timestamp::from_secs(60) };
    Restart::new(&reporter, Some("festival.iot".into()), at, Stamp::Old, NOW)
}

/// As they were written before a gateway was known by more than a number.
#[test]
fn an_older_record_of_a_restart_is_read() {
    const OLD: &str = "4b70c33f1e0000050a01a8c00300000000e025dafe5b060003c0a8010a8080afa2dbffad06ff91f4010c666573746976616c2e696f74";
    let octets: Vec<u8> = (0..OLD.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&OLD[at..at + 2], 16).unwrap())
        .collect();
    let Ok(Record::Restart(found)) = read(&octets) else { panic!("no restart") };
    let reporter = Reporter {
        gateway: GatewayId::new(3),
        range: "0.0.0.0/32".parse().unwrap(),
        nas: Nas::numbered(0xc0a8_010a),
    };
    let at = EventTime::at(Timestamp::from_secs(NOW.secs() - 2));
    assert_eq!(found, Restart::new(&reporter, Some("festival.iot".into()), at, Stamp::Sane, NOW));
}

#[test]
fn golden_octets() {
    let detached = EndpointState {
        version: 7,
        last_activity: NOW,
        ..EndpointState::new(NetworkState::Detached)
    };
    let endpoint = Endpoint::new(ProvisioningState::Active)
        .in_group(GroupId::new(1))
        .with_imsi(Imsi::parse(b"234500000000001").unwrap())
        .with_msisdn(Msisdn::parse(b"447700000001").unwrap())
        .with_static_ip(Ipv4Addr::new(100, 64, 0, 9))
        .named("till 1");
    let restart = restart();
    let mut outages = Outages::default();
    outages.add(Timestamp::from_secs(1_789_990_000), Timestamp::from_secs(1_789_990_100));
    outages.add(Timestamp::from_secs(1_789_999_992), NOW);
    let fingerprint = Fingerprint(0x0123_4567_89ab_cdef);
    let stock = StockEntry {
        sim: StockSim {
            imsi: endpoint.imsi,
            further_imsis: Box::new([Imsi::parse(b"901670000000002").unwrap()]),
            msisdn: endpoint.msisdn,
            code: CodeDigest([0xab; 16]),
            is_activated: true,
        },
        stamp: stamp(9, 0x10),
    };
    let table: [(&str, Vec<u8>, Record); 12] = [
        (
            "1569cd670b0000010e400b02fc5d010207000000000000001480c097d1edff96030000",
            framed(|batch| batch.put_endpoint(iccid(), &detached)),
            Record::Endpoint { iccid: iccid(), state: detached.clone() },
        ),
        (
            "96bcb3111e0000020e400b02fc5d01020500000000000000320f0181d0e6efd6d898020081da938d912a644000090674696c6c203101",
            framed(|batch| batch.put_provisioned(iccid(), stamp(5, 0), Some(&endpoint))),
            Record::Provisioned {
                iccid: iccid(),
                stamp: stamp(5, 0),
                endpoint: Some(endpoint.clone()),
            },
        ),
        (
            "aeba1987260000020e400b02fc5d01020500000000000000321f0181d0e6efd6d898020081da938d912a644000090674696c6c203101eecdab8967452301",
            framed(|batch| batch.put_provisioned(iccid(), stamp(5, ORIGIN), Some(&endpoint))),
            Record::Provisioned {
                iccid: iccid(),
                stamp: stamp(5, ORIGIN),
                endpoint: Some(endpoint.clone()),
            },
        ),
        (
            "a6a26e3c090000020e400b02fc5d0102060000000000000000eecdab8967452301",
            framed(|batch| batch.put_provisioned(iccid(), stamp(6, ORIGIN), None)),
            Record::Provisioned { iccid: iccid(), stamp: stamp(6, ORIGIN), endpoint: None },
        ),
        (
            "b37102eb000000020e400b02fc5d01020600000000000000",
            framed(|batch| batch.put_provisioned(iccid(), stamp(6, 0), None)),
            Record::Provisioned { iccid: iccid(), stamp: stamp(6, 0), endpoint: None },
        ),
        (
            "4680b2650700000403000000000000000100000000000000067067772d3031",
            framed(|batch| batch.put_gateway(GatewayId::new(3), "pgw-01")),
            Record::Gateway { id: GatewayId::new(3), name: "pgw-01".into() },
        ),
        (
            "52e9b5833000003f0e400b02fc5d0102090000000000000003abababababababababababababababab10000000000000000281d0e6efd6d8980282f8d1e6f0b1b00381da938d912a",
            framed(|batch| batch.put_stock(iccid(), 9, Some(&stock))),
            Record::Stock { iccid: iccid(), version: 9, entry: Some(stock.clone()) },
        ),
        (
            "696ce1970000003f0e400b02fc5d01020a00000000000000",
            framed(|batch| batch.put_stock(iccid(), 10, None)),
            Record::Stock { iccid: iccid(), version: 10, entry: None },
        ),
        (
            "9cb6e6fd0000001003000000000000000100000000000000",
            framed(|batch| batch.put_signed(GatewayId::new(3))),
            Record::Signed { id: GatewayId::new(3) },
        ),
        (
            "fa55669d16000013000000000000000000e025dafe5b06000280f0cfe190ffad0680c2d72f80c88eb94a80a4e803",
            framed(|batch| batch.put_outages(NOW, &outages)),
            Record::Outages { version: NOW.micros(), outages: outages.clone() },
        ),
        (
            "119127461000000700000000000000000600000000000000efcdab89674523010000000000000000",
            framed(|batch| batch.put_inventory(6, Some(fingerprint))),
            Record::Inventory { version: 6, fingerprint: Some(fingerprint) },
        ),
        (
            "ab8fd4cf3b0000050a01a8c00300000000e025dafe5b060003c0a8010a8080afa2dbffad06ff91f4010c666573746976616c2e696f74\
             c2f6c4d5060304c00002001c0b04c0000201c0a8010a067067772d3031",
            framed(|batch| batch.put_restart(&restart)),
            Record::Restart(restart.clone()),
        ),
    ];
    for (golden, octets, record) in table {
        assert_eq!(hex(&octets), golden, "{record:?}");
        assert_eq!(read(&octets), Ok(record));
    }
}

#[test]
fn the_typical_session_octet_by_octet() {
    let octets = framed(|batch| batch.put_endpoint(iccid(), &typical_state()));
    let parts = [
        // active, last heard of, one session of 111 octets
        "2888e498d1edff960301ef00",
        // what it has; gateway, NAS; begun a day before, heard of now
        "b3ee0303c0a8010a8fc8bddd830500",
        // one bearer of 30 octets: interim, its name, octets in and out, event time
        "019e00021043304138303130413030303046303044959aef3ad285d8cc048fc802",
        // group, address, authorisation, APN
        "0c64400304feedf00ddeadbeef0c666573746976616c2e696f74",
        // RAT, PLMN, serving node, location
        "0697c407c00002070d8232f451109232f45100010203",
        // IMEISV, time zone, charging identifier
        "ced29494edac80184001effdb6f50d",
        // one lease of 7 octets: static and in use, group, VSlice, address
        "018700020c0264400304",
    ];
    assert_eq!(hex(&octets[24..]), parts.concat());
}

#[test]
fn the_phases_of_a_lease_octet_by_octet() {
    let (until, authorisation) =
        (Timestamp::from_secs(NOW.secs() + 120), AuthorisationNumber(0xfeed_f00d_dead_beef));
    let table = [
        (
            LeasePhase::Authorised { until, authorisation },
            "9300810c026440030480b8b872feedf00ddeadbeef",
        ),
        (LeasePhase::InUse, "8700820c0264400304"),
        (LeasePhase::Kept, "8700830c0264400304"),
        (LeasePhase::Released { at: NOW }, "8800840c026440030400"),
        (
            LeasePhase::Reauthorised { until, authorisation },
            "9300850c026440030480b8b872feedf00ddeadbeef",
        ),
    ];
    for (phase, golden) in table {
        let lease = Lease { kind: LeaseKind::Pooled, phase, ..typical_state().leases[0] };
        let state = EndpointState {
            last_activity: NOW,
            leases: [lease].into_iter().collect(),
            ..EndpointState::new(NetworkState::Idle)
        };
        let octets = framed(|batch| batch.put_endpoint(iccid(), &state));
        // Behind the header of the frame and the state, the time, no session and one lease.
        assert_eq!(hex(&octets[35..]), golden, "{phase:?}");
        assert_eq!(read(&octets), Ok(Record::Endpoint { iccid: iccid(), state }));
    }
}

#[test]
fn what_a_newer_version_adds_is_passed_over() {
    let state = typical_state();
    let mut body = Vec::new();
    let mut writer = FieldWriter(&mut body);
    // As `endpoint::write`, but every block and the record itself go on.
    writer.octet(state.state.key());
    writer.number(state.last_activity.micros());
    writer.number(1);
    writer.block(|block| {
        session::write(block, &state.sessions[0], state.last_activity);
        block.text("something new");
    });
    writer.number(0);
    writer.text("something else that is new");
    let found = endpoint::read(&mut FieldReader(&body), state.version).unwrap();
    assert_eq!(found.sessions, state.sessions);
}

#[test]
fn what_makes_no_sense_is_named() {
    let mut batch = Batch::default();
    batch.put(RecordKind(77), 1, 1, |_| {}).unwrap();
    assert_eq!(read(batch.octets()), Err(Unreadable("no kind of record that this attachd knows")));
    let mut batch = Batch::default();
    batch.put(kind::PROVISIONED, 5, 1, |_| {}).unwrap();
    assert_eq!(read(batch.octets()), Err(Unreadable("its key is no ICCID")));
    let mut batch = Batch::default();
    batch.put(kind::ENDPOINT, iccid().raw(), 1, |buffer| buffer.push(11)).unwrap();
    assert_eq!(read(batch.octets()), Err(Unreadable("the state of an endpoint makes no sense")));
}

#[test]
fn a_note_says_what_was_refused() {
    let note = |iccid: Option<Iccid>, refused: Option<&str>| NoteRecord {
        at: NOW,
        iccid,
        what: "start".into(),
        refused: refused.map(str::to_owned),
    };
    for (iccid, refused) in [(Some(iccid()), Some("endpoint-suspended")), (None, None)] {
        let octets = framed(|batch| batch.put_note(NOW, iccid, "start", refused));
        assert_eq!(read(&octets), Ok(Record::Note(note(iccid, refused))));
    }
}

#[test]
fn a_message_comes_back_and_is_no_state() {
    let octets = framed(|batch| batch.put_message(Topic::Event, 7, NOW, b"{}"));
    let message = Record::Message { topic: Topic::Event, key: 7, at: NOW };
    assert_eq!(read(&octets), Ok(message));
    let (_, entry) = crate::journal::format::frame::verified(&octets).next().unwrap();
    let read = Message { topic: Topic::Event, key: 7, at: NOW, octets: b"{}" };
    assert_eq!(Message::read(&entry), Some(read));
    let note = framed(|batch| batch.put_note(NOW, None, "start", None));
    assert_eq!(
        Message::read(&crate::journal::format::frame::verified(&note).next().unwrap().1),
        None
    );
}

const OLD_CATALOG: &str = "2746a5f4c30000030000000000000000090000000000000002a70003036f6c640e4d7573696320666573746976616c0101090909090164400000100101644000001cac000108666573746976616c0e4d7573696320666573746976616c0101090909090164400000100101644000001c02ad00020465706f730e65506f73207465726d696e616c73010002010c666573746976616c2e696f7480a30500d80400b90001036261720e65506f73207465726d696e616c73010002010c666573746976616c2e696f7480a30500d8040102047573657206736563726574";

/// Arbitrary, as the hash of a line is.
const ORIGIN: u64 = 0x0123_4567_89ab_cdee;

fn stamp(version: u64, origin: u64) -> Revision {
    Revision { version, origin: Origin::from_bits(origin) }
}

fn vslices() -> [CatalogEntry<Vslice>; 2] {
    let vslice = |moniker: &str| Vslice {
        moniker: Moniker::parse(moniker).unwrap(),
        name: "Music festival".into(),
        enabled: true,
        dns: vec![Ipv4Addr::new(9, 9, 9, 9).into()],
        subnets: vec![Subnet {
            block: "100.64.0.0/16".parse().unwrap(),
            allocation: Allocation::Static,
            exclude: vec!["100.64.0.0/28".parse().unwrap()],
        }],
        event_map: None,
    };
    [(vslice("old"), ListingStatus::Removed), (vslice("festival"), ListingStatus::Listed)].map(
        |(thing, status)| CatalogEntry { status, ..CatalogEntry::new(thing, stamp(9, ORIGIN)) },
    )
}

fn groups() -> [CatalogEntry<Group>; 2] {
    let group = |moniker: &str, credentials| Group {
        moniker: Moniker::parse(moniker).unwrap(),
        name: "ePos terminals".into(),
        vslice: VsliceId::new(1),
        enabled: false,
        allocation: Allocation::Pooled,
        apns: vec![Apn::parse("festival.iot").unwrap()],
        session_timeout_s: 86_400,
        idle_timeout_s: 0,
        interim_interval_s: 600,
        credentials,
        policy: None,
        event_map: None,
        families: AddressFamilies::Ipv4,
        partial_dual_stack: false,
        disconnect: true,
    };
    let credentials = Credentials {
        method: CredentialMethod::Chap,
        username: "user".into(),
        password: "secret".into(),
    };
    [
        (group("epos", None), ListingStatus::Gone),
        (group("bar", Some(credentials)), ListingStatus::Listed),
    ]
    .map(|(thing, status)| CatalogEntry { status, ..CatalogEntry::new(thing, stamp(9, ORIGIN)) })
}

fn objects() -> Vec<CatalogObject> {
    let vslices = vslices().into_iter().enumerate();
    let vslices =
        vslices.map(|(number, entry)| CatalogObject::Vslice(VsliceId::new(number), entry));
    let groups = groups().into_iter().enumerate();
    let groups = groups.map(|(number, entry)| CatalogObject::Group(GroupId::new(number), entry));
    vslices.chain(groups).collect()
}

/// Written before objects had ids: it ends where the object does.
#[test]
fn an_older_object_has_the_id_of_its_moniker() {
    for object in objects() {
        let octets = framed(|batch| {
            let whole = framed(|batch| batch.put_object(&object));
            // Id, no section, no spelling, and the block of what came later.
            let later = match &object {
                CatalogObject::Vslice(..) => 16 + 1 + 1 + 2 + 1,
                _ => 16 + 1 + 1 + 2 + 5,
            };
            let place = object.place();
            let version = object.stamp().version;
            batch.put(kind::of(place.kind), place.index as u64, version, |buffer| {
                buffer.extend_from_slice(&whole[24..whole.len() - later]);
            })
        });
        assert_eq!(read(&octets), Ok(Record::Object(object)));
    }
}

/// With everything that can stand beside a thing.
fn entry<T: CatalogKind>(thing: T) -> CatalogEntry<T> {
    CatalogEntry {
        uuid: random_uuid([9; 16]),
        section: Some(Moniker::parse("former").unwrap()),
        spelling: Spelling::default().with("entries", "null").with("family", "Ipv4"),
        ..CatalogEntry::new(thing, stamp(9, ORIGIN))
    }
}

#[test]
fn every_kind_of_object_is_read_as_it_was_written() {
    let moniker = |text| Moniker::parse(text).unwrap();
    let mut policy = Policy::new(moniker("home-only"), "Home");
    policy.allow_3g = false;
    policy.imei_lock = ImeiLock::Learn;
    policy.when_missing = WhenMissing::Reject;
    policy.entries = vec![
        PolicyEntry::everywhere(PolicyAction::RejectHard),
        PolicyEntry {
            operator: Some("60303".parse().unwrap()),
            country: Some(CountryCode::parse("DZA").unwrap()),
            radio: vec![RadioClass::NbIot, RadioClass::Other],
            tac: vec![Tac::parse("35349006").unwrap()],
            ..PolicyEntry::everywhere(PolicyAction::Allow)
        },
        PolicyEntry { international: true, ..PolicyEntry::everywhere(PolicyAction::RejectSoft) },
    ];
    let webhook = Webhook {
        url: "https://ops.example/hook".into(),
        timeout: "10".into(),
        bearer: Some("bearer".into()),
        username: None,
        password: Some("".into()),
        signing_secret: "whsec_c2VjcmV0".into(),
    };
    let handler = EventHandler { moniker: moniker("hooks"), name: "Hooks".into(), webhook };
    let mut map = EventMap::new(moniker("map-a"), "Map A", EventScope::Vslice);
    map.subscriptions = EventType::ALL
        .iter()
        .map(|event| Subscription { handler: EventHandlerId::new(3), event: *event })
        .collect();
    let [_, (vslice, group)] = [0, 1].map(|at| (vslices()[at].clone(), groups()[at].clone()));
    let vslice = Vslice { event_map: Some(EventMapId::new(0)), ..(*vslice.thing).clone() };
    let group = Group {
        policy: Some(PolicyId::new(0)),
        event_map: Some(EventMapId::new(7)),
        families: AddressFamilies::Both,
        partial_dual_stack: true,
        disconnect: false,
        ..(*group.thing).clone()
    };
    let objects = [
        CatalogObject::Policy(PolicyId::new(0), entry(policy)),
        CatalogObject::EventHandler(EventHandlerId::new(3), entry(handler)),
        CatalogObject::EventMap(EventMapId::new(7), entry(map)),
        CatalogObject::Vslice(VsliceId::new(1), entry(vslice)),
        CatalogObject::Group(GroupId::new(1), entry(group)),
    ];
    for object in objects {
        let octets = framed(|batch| batch.put_object(&object));
        assert_eq!(read(&octets), Ok(Record::Object(object)));
    }
}

#[test]
fn every_vslice_and_group_has_a_record_of_its_own() {
    for object in objects() {
        let octets = framed(|batch| batch.put_object(&object));
        assert_eq!(read(&octets), Ok(Record::Object(object)));
    }
    let mut batch = Batch::default();
    batch.put(kind::GROUP, 1 << 24, 1, |_| {}).unwrap();
    assert_eq!(
        read(batch.octets()),
        Err(Unreadable("a group makes no sense")),
        "it would take the memory of all before it"
    );
}

/// As it was written before each VSlice and each group had its own record: one record, handles in
/// their order.
#[test]
fn the_catalog_of_an_older_journal_is_read() {
    let octets = hex_octets(OLD_CATALOG);
    let Ok(Record::Catalog { version: 9, catalog: found }) = read(&octets) else {
        panic!("no catalog")
    };
    let mut wanted = Catalog::default();
    vslices().into_iter().enumerate().for_each(|(number, entry)| {
        wanted.set(VsliceId::new(number), CatalogEntry { stamp: stamp(9, 0), ..entry });
    });
    groups().into_iter().enumerate().for_each(|(number, entry)| {
        wanted.set(GroupId::new(number), CatalogEntry { stamp: stamp(9, 0), ..entry });
    });
    assert_eq!(found, wanted);
    assert_eq!(found.vslice_by_moniker("festival").unwrap().0, VsliceId::new(1));
    assert_eq!(found.vslice(VsliceId::new(0)), None, "removed, and its place stays taken");
}

fn hex_octets(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn bearer() -> impl Strategy<Value = Bearer> {
    (".{0,40}", any::<[u64; 2]>(), any::<u64>(), 1..=3u8).prop_map(
        |(id, [input, output], event_time, status)| Bearer {
            acct_session_id: id.into(),
            input,
            output,
            event_time: Timestamp::from_micros(event_time),
            status: Status::from_key(status).unwrap(),
        },
    )
}

/// What a NAS says of itself, owned.
#[derive(Clone, Debug)]
struct Sender(u32, Option<Said>);

/// The source address, NAS-IP-Address, NAS-IPv6-Address and NAS-Identifier.
type Said = (IpAddr, Option<Ipv4Addr>, Option<Ipv6Addr>, Option<Vec<u8>>);

impl Sender {
    fn nas(&self) -> Nas<'_> {
        let Some((source, ip, ipv6, identifier)) = &self.1 else { return Nas::numbered(self.0) };
        Nas {
            code: self.0,
            source: Some(*source),
            ip: *ip,
            ipv6: *ipv6,
            identifier: identifier.as_deref(),
        }
    }
}

fn sender() -> impl Strategy<Value = Sender> {
    let identifier = of(prop::collection::vec(any::<u8>(), 1..40));
    (any::<u32>(), of((any::<IpAddr>(), of(any::<Ipv4Addr>()), of(any::<Ipv6Addr>()), identifier)))
        .prop_map(|(code, said)| Sender(code, said))
}

fn session() -> impl Strategy<Value = Session> {
    let names = (of("[a-z.]{1,70}"), of(".{0,40}"), any::<(u64, u64)>());
    let place = (
        of(any::<u8>()),
        of("[0-9]{5,6}"),
        of(any::<IpAddr>()),
        of(prop::collection::vec(any::<u8>(), 1..40)),
        of("[0-9]{14,16}"),
        of(any::<[u8; 2]>()),
        of(1..u32::MAX),
    );
    let rest = (
        of(0..1000usize),
        of(any::<Ipv4Addr>()),
        any::<bool>(),
        of((any::<u64>(), any::<u32>(), 1..=7u8)),
        any::<u64>(),
    );
    let violation = of((1..=7u8, any::<[u64; 2]>()));
    let clocks = (sender(), any::<[u32; 2]>(), of((any::<u64>(), 1..=7u8)), violation);
    let numbers = (0..1000usize, clocks, any::<u64>(), any::<u64>());
    (numbers, prop::collection::vec(bearer(), 1..5), names, place, rest).prop_map(
        |(numbers, bearers, names, place, rest)| {
            let (gateway, nas, started, heard) = numbers;
            let (nas, [skew, end_skew], ending, violation) = nas;
            let mut bearers = bearers.into_iter();
            let (started, heard) =
                (EventTime::at(Timestamp::from_micros(started)), Timestamp::from_micros(heard));
            let mut session = Session::new(
                GatewayId::new(gateway),
                &nas.nas(),
                bearers.next().unwrap(),
                started,
                heard,
            );
            session.set_skew(Skew(skew));
            let to_ending = |(since, cause)| Ending {
                since: Timestamp::from_micros(since),
                cause: CloseCause::from_key(cause).unwrap(),
            };
            session.set_ending(ending.map(to_ending));
            session.set_violation(violation.map(|(reason, times)| {
                let [since, disconnect_at] = times.map(Timestamp::from_micros);
                let reason = PolicyReason::from_key(reason).unwrap();
                PolicyViolation { reason, since, disconnect_at }
            }));
            bearers.for_each(|bearer| session.add_bearer(bearer));
            let (apn, multi_session_id, folded) = names;
            if let Some(apn) = apn {
                session.set_apn(&apn);
            }
            if let Some(id) = multi_session_id {
                session.set_multi_session_id(id.into());
            }
            session.set_folded(folded);
            let (group, ip, conflict, ended, authorisation) = rest;
            session.group = group.map(GroupId::new);
            session.ip = ip;
            session.conflict = conflict;
            session.ended = ended.map(|(at, terminate_cause, cause)| Ended {
                at: Timestamp::from_micros(at),
                skew: Skew(end_skew),
                terminate_cause,
                cause: CloseCause::from_key(cause).unwrap(),
            });
            session.authorisation = NonZeroU64::new(authorisation);
            let (rat, plmn, serving_node, location, imeisv, time_zone, charging_id) = place;
            session.move_to(&LocationInfo {
                rat,
                plmn: plmn.map(|text| text.parse().unwrap()),
                serving_node,
                location: location.as_deref(),
                imeisv: imeisv.map(|text| text.parse().unwrap()),
                time_zone,
                charging_id,
            });
            session
        },
    )
}

fn lease() -> impl Strategy<Value = Lease> {
    let ip = prop_oneof![
        any::<Ipv4Addr>().prop_map(Address::V4),
        (any::<u64>(), 0..=64u8).prop_map(|(bits, len)| Ipv6Prefix::of_bits(bits, len).into()),
    ];
    let numbers = any::<[u64; 2]>().prop_map(|[time, number]| (time, AuthorisationNumber(number)));
    (0..1000usize, 0..1000usize, ip, any::<bool>(), 0..5u8, numbers).prop_map(
        |(group, vslice, ip, pooled, phase, (time, authorisation))| Lease {
            group: GroupId::new(group),
            vslice: VsliceId::new(vslice),
            ip,
            kind: if pooled { LeaseKind::Pooled } else { LeaseKind::Static },
            phase: match phase {
                0 => LeasePhase::Authorised { until: Timestamp::from_micros(time), authorisation },
                1 => LeasePhase::InUse,
                2 => LeasePhase::Kept,
                3 => {
                    LeasePhase::Reauthorised { until: Timestamp::from_micros(time), authorisation }
                }
                _ => LeasePhase::Released { at: Timestamp::from_micros(time) },
            },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_of_an_endpoint_comes_back(
        sessions in prop::collection::vec(session(), 0..3),
        leases in prop::collection::vec(lease(), 0..3),
        numbers: (u64, u64),
        state in prop::sample::select(NetworkState::ALL.to_vec()),
        device in of(0..100_000_000_000_000u64),
    ) {
        let (version, last_activity) = (numbers.0, Timestamp::from_micros(numbers.1));
        let (sessions, leases) = (sessions.into_iter().collect(), leases.into_iter().collect());
        let device = device.and_then(Imei::from_number);
        let state = EndpointState { state, device, last_activity, version, sessions, leases };
        let octets = framed(|batch| batch.put_endpoint(iccid(), &state));
        prop_assert!(octets.len() - 24 <= state.weight(), "{} octets, {} said", octets.len() - 24, state.weight());
        prop_assert_eq!(read(&octets), Ok(Record::Endpoint { iccid: iccid(), state }));
    }

    #[test]
    fn any_octets_are_read_without_a_panic(kind in 0..20u8, key: u64, version: u64, payload: Vec<u8>) {
        let _ = Record::read(&FramedRecord { kind: RecordKind(kind), key, version, payload: &payload });
    }

    #[test]
    fn nor_does_damage_inside_panic(at: prop::sample::Index, octet: u8) {
        for mut payload in [
            framed(|batch| batch.put_endpoint(iccid(), &typical_state())).split_off(24),
            framed(|batch| batch.put_object(&objects()[1])).split_off(24),
            framed(|batch| batch.put_object(&objects()[3])).split_off(24),
            hex_octets(OLD_CATALOG).split_off(24),
        ] {
            let at = at.index(payload.len());
            payload[at] = octet;
            for kind in [kind::ENDPOINT, kind::PROVISIONED, kind::CATALOG, kind::VSLICE, kind::GROUP] {
                let _ = Record::read(&FramedRecord { kind, key: iccid().raw(), version: 1, payload: &payload });
                let _ = Record::read(&FramedRecord { kind, key: iccid().raw(), version: 1, payload: &payload[..at] });
            }
        }
    }
}

#[test]
fn what_few_endpoints_have_is_read_as_it_was_written() {
    let labels = Labels {
        reference: Some("order 7".into()),
        tags: ["north", "gate"].map(Into::into).into(),
    };
    let history = EndpointHistory { activated_at: Some(NOW), state_reason: Some("stolen".into()) };
    let endpoint = Endpoint::new(ProvisioningState::Suspended)
        .with_labels(labels)
        .with_imei("35349006987300".parse().ok())
        .with_history(history);
    for endpoint in [endpoint.clone(), endpoint.named("till").in_group(GroupId::new(3))] {
        let stamp = stamp(9, ORIGIN);
        let octets = framed(|batch| batch.put_provisioned(iccid(), stamp, Some(&endpoint)));
        let wanted = Record::Provisioned { iccid: iccid(), stamp, endpoint: Some(endpoint) };
        assert_eq!(read(&octets), Ok(wanted));
    }
}
