//! What the attributes of a request are taken to say.

use super::*;
use crate::identity::GatewayId;
use crate::network::{EventTime, Stamp};
use crate::wire::number::attachd::DEFAULT_VENDOR;
use crate::wire::number::value::acct_terminate_cause;
use crate::wire::{Code, Encoder, chap_response};

const ARRIVAL: Timestamp = Timestamp::from_secs(1_750_000_000);
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A cell and tracking area of 234-15.
const ULI_OF_23415: [u8; 13] =
    [0x82, 0x32, 0xf4, 0x51, 0x10, 0x92, 0x32, 0xf4, 0x51, 0x00, 0x01, 0x02, 0x03];

fn range() -> IpNet {
    IpNet::from(SOURCE)
}

fn secret() -> Secret {
    Secret::new(b"xyzzy5461")
}

fn packet(code: Code, write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut encoder = Encoder::new(&mut buffer, code, 7);
    write(&mut encoder);
    let len = encoder.finish_request(&secret(), [9; 16]).unwrap();
    buffer.truncate(len);
    buffer
}

/// Reads an accounting request; gives what `see` makes of it.
fn accounting<T>(
    write: impl FnOnce(&mut Encoder<'_>),
    see: impl FnOnce(AccountingRequest<'_>, OddTimes) -> T,
) -> T {
    let octets = packet(Code::ACCOUNTING_REQUEST, write);
    let fields = Fields::gather(&Datagram::frame(&octets).unwrap(), DEFAULT_VENDOR);
    let (request, is_odd) = fields.accounting(GatewayId::new(0), range(), SOURCE, ARRIVAL);
    see(request, is_odd)
}

#[test]
fn every_value_finds_its_place() {
    let octets = packet(Code::ACCOUNTING_REQUEST, |packet| {
        packet
            .integer(number::ACCT_STATUS_TYPE, acct_status_type::STOP)
            .attribute(number::USER_NAME, b"nemo")
            .address(number::NAS_IP_ADDRESS, [10, 0, 0, 1].into())
            .address(number::FRAMED_IP_ADDRESS, [100, 64, 0, 2].into())
            .attribute(number::CLASS, b"somebody else's")
            .attribute(number::CLASS, Class::new(77).octets())
            .attribute(number::CALLED_STATION_ID, b"festival.iot")
            .attribute(number::CALLING_STATION_ID, b"447700000001")
            .integer(number::ACCT_INPUT_OCTETS, 1)
            .integer(number::ACCT_OUTPUT_OCTETS, 2)
            .integer(number::ACCT_INPUT_GIGAWORDS, 3)
            .integer(number::ACCT_OUTPUT_GIGAWORDS, 4)
            .attribute(number::ACCT_SESSION_ID, b"C000020A01020304")
            .attribute(number::ACCT_MULTI_SESSION_ID, b"C000020A01020300")
            .integer(number::ACCT_SESSION_TIME, 60)
            .integer(number::ACCT_TERMINATE_CAUSE, acct_terminate_cause::USER_REQUEST)
            .vendor(tgpp::VENDOR, tgpp::IMSI, b"234500000000001")
            .vendor(tgpp::VENDOR, tgpp::CHARGING_ID, &[0, 0, 1, 0])
            .vendor(tgpp::VENDOR, tgpp::SGSN_ADDRESS, &[10, 0, 0, 2])
            .vendor(tgpp::VENDOR, tgpp::SGSN_MCC_MNC, b"23450")
            .vendor(tgpp::VENDOR, tgpp::IMEISV, b"3534900698733190")
            .vendor(tgpp::VENDOR, tgpp::RAT_TYPE, &[8])
            .vendor(tgpp::VENDOR, tgpp::USER_LOCATION_INFO, &[130, 1, 2, 3])
            .vendor(tgpp::VENDOR, tgpp::MS_TIME_ZONE, &[0x40, 0])
            .vendor(tgpp::VENDOR, tgpp::SESSION_STOP_INDICATOR, &[0xff])
            .vendor(DEFAULT_VENDOR, attachd::ICCID, b"8944500000000000014");
    });
    let fields = Fields::gather(&Datagram::frame(&octets).unwrap(), DEFAULT_VENDOR);
    let (AccountingRequest { kind, subject, gateway, report }, is_odd) =
        fields.accounting(GatewayId::new(5), range(), SOURCE, ARRIVAL);
    assert_eq!(
        (kind, gateway, is_odd),
        (AccountingKind::Stop, GatewayId::new(5), OddTimes::default())
    );
    assert_eq!(subject.user_name, Some(&b"nemo"[..]));
    assert_eq!(subject.calling_station_id, Some(&b"447700000001"[..]));
    assert_eq!(subject.imsi, Some(&b"234500000000001"[..]));
    assert_eq!(subject.iccid, Some(&b"8944500000000000014"[..]));
    let nas = Nas::new(SOURCE, Some([10, 0, 0, 1].into()), None, None);
    assert_eq!(report.reporter, Reporter { gateway: GatewayId::new(5), range: range(), nas });
    assert_eq!(report.acct_session_id, b"C000020A01020304");
    assert_eq!(report.acct_multi_session_id, Some(&b"C000020A01020300"[..]));
    assert_eq!(report.apn, Some(&b"festival.iot"[..]));
    assert_eq!((report.event_time, report.stamp), (EventTime::at(ARRIVAL), Stamp::Absent));
    assert_eq!(report.ip, Some([100, 64, 0, 2].into()));
    let counters = Counters {
        input: Some(1),
        output: Some(2),
        input_gigawords: Some(3),
        output_gigawords: Some(4),
    };
    assert_eq!(report.counters, counters);
    let location_info = LocationInfo {
        rat: Some(8),
        plmn: Plmn::parse(b"23450").ok(),
        serving_node: Some([10, 0, 0, 2].into()),
        location: Some(&[130, 1, 2, 3]),
        imeisv: Imeisv::parse(b"3534900698733190").ok(),
        time_zone: Some([0x40, 0]),
        charging_id: Some(256),
    };
    assert_eq!(report.location_info, location_info);
    assert_eq!((report.session_time_s, report.terminate_cause), (Some(60), Some(1)));
    assert!(report.last_bearer);
    assert_eq!(report.authorisation, Some(77));
}

/// A value of the wrong size counts as absent, a second one as not there, and neither costs
/// anything else (A16, A17, E23, E24).
#[test]
fn odd_values_spoil_only_themselves() {
    let write = |packet: &mut Encoder<'_>| {
        packet
            .integer(number::ACCT_STATUS_TYPE, acct_status_type::START)
            .attribute(number::ACCT_SESSION_ID, b"")
            .attribute(number::ACCT_SESSION_ID, b"1")
            .attribute(number::ACCT_SESSION_ID, b"2")
            .attribute(number::NAS_IP_ADDRESS, &[10, 0, 0])
            .attribute(number::ACCT_INPUT_OCTETS, &[1, 2, 3, 4, 5])
            .attribute(number::VENDOR_SPECIFIC, &[0, 0, 0x28, 0xaf])
            .attribute(number::VENDOR_SPECIFIC, &[0, 0, 0x28, 0xaf, 21, 0])
            .attribute(number::VENDOR_SPECIFIC, &[0, 0, 0x28, 0xaf, 21, 9, 8])
            .vendor(tgpp::VENDOR, tgpp::RAT_TYPE, &[1, 2])
            .vendor(tgpp::VENDOR, tgpp::RAT_TYPE, &[6])
            .vendor(tgpp::VENDOR, tgpp::SESSION_STOP_INDICATOR, &[0])
            .vendor(tgpp::VENDOR, tgpp::IMEISV, b"not digits")
            .address(number::FRAMED_IP_ADDRESS, [255, 255, 255, 254].into());
    };
    accounting(write, |request, _| {
        assert_eq!(request.kind, AccountingKind::Start);
        assert_eq!(request.report.acct_session_id, b"1");
        assert_eq!(request.report.reporter.nas, Nas::new(SOURCE, None, None, None));
        assert_eq!(request.report.counters, Counters::default());
        assert_eq!(
            request.report.location_info,
            LocationInfo { rat: Some(6), ..LocationInfo::default() }
        );
        assert_eq!((request.report.ip, request.report.authorisation), (None, None));
        assert!(!request.report.last_bearer);
    });
}

#[test]
fn status_and_network_event_make_the_kind() {
    use crate::aaa::AccountingKind::{
        Attach, Detach, GatewayRestart, Interim, Invalid, Other, Start, Stop,
    };
    let (attach, detach) = (Some(network_event::ATTACH), Some(network_event::DETACH));
    // Status, network event, kind with Acct-Session-Id, kind without.
    let cases = [
        (Some(1), None, Start, Invalid),
        (Some(1), attach, Attach, Attach),
        (Some(1), detach, Start, Invalid),
        (Some(2), None, Stop, Invalid),
        (Some(2), detach, Detach, Detach),
        (Some(2), attach, Stop, Invalid),
        (Some(3), None, Interim, Invalid),
        (Some(3), attach, Interim, Invalid),
        (Some(7), None, GatewayRestart, GatewayRestart),
        (Some(8), None, GatewayRestart, GatewayRestart),
        (Some(9), None, Other, Other),
        (Some(15), None, Other, Other),
        (Some(99), attach, Other, Other),
        (None, None, Invalid, Invalid),
    ];
    for (status, event, with, without) in cases {
        for (session, kind) in [(true, with), (false, without)] {
            let write = |packet: &mut Encoder<'_>| {
                status.map(|status| packet.integer(number::ACCT_STATUS_TYPE, status));
                event.map(|event: u32| {
                    packet.vendor(DEFAULT_VENDOR, attachd::NETWORK_EVENT, &event.to_be_bytes())
                });
                session.then(|| packet.attribute(number::ACCT_SESSION_ID, b"1"));
            };
            accounting(write, |request, _| {
                assert_eq!(request.kind, kind, "{status:?} {event:?} {session}");
            });
        }
    }
}

/// The rule itself stands in `network`.
#[test]
fn times_that_cannot_be_are_told_by_kind() {
    let write = |packet: &mut Encoder<'_>| {
        packet
            .integer(number::EVENT_TIMESTAMP, 0)
            .integer(number::ACCT_DELAY_TIME, u32::MAX)
            .integer(number::ACCT_SESSION_TIME, u32::MAX);
    };
    accounting(write, |request, odd| {
        let report = request.report;
        assert_eq!(
            (report.event_time, report.stamp),
            (EventTime { shown: ARRIVAL, order: Timestamp::EPOCH }, Stamp::Old)
        );
        assert_eq!(
            (report.session_time_s, odd),
            (None, OddTimes { stamp: true, delay: true, session_time: true })
        );
    });
    let write =
        |packet: &mut Encoder<'_>| _ = packet.integer(number::ACCT_SESSION_TIME, 366 * 24 * 3600);
    accounting(write, |request, odd| {
        assert_eq!((request.report.session_time_s, odd), (Some(31_622_400), OddTimes::default()));
    });
}

#[test]
fn all_that_the_nas_says_of_itself_is_kept() {
    let ipv6: Ipv6Addr = "2001:db8::7".parse().unwrap();
    let write = |packet: &mut Encoder<'_>| {
        packet
            .attribute(number::NAS_IDENTIFIER, b"pgw-01.example")
            .attribute(number::NAS_IPV6_ADDRESS, &ipv6.octets())
            .address(number::NAS_IP_ADDRESS, [10, 0, 0, 1].into());
    };
    accounting(write, |request, _| {
        let nas = Nas::new(SOURCE, Some([10, 0, 0, 1].into()), Some(ipv6), Some(b"pgw-01.example"));
        assert_eq!(request.report.reporter.nas, nas);
    });
    let write = |packet: &mut Encoder<'_>| {
        packet
            .attribute(number::NAS_IPV6_ADDRESS, &[0; 16])
            .address(number::NAS_IP_ADDRESS, Ipv4Addr::UNSPECIFIED);
    };
    accounting(write, |request, _| assert!(!request.report.reporter.nas.is_named()));
}

/// TS 29.061 16.4.7.2: the network stands in front of every area.
#[test]
fn the_location_names_the_network_where_nothing_else_does() {
    let located = |packet: &mut Encoder<'_>| {
        _ = packet.vendor(tgpp::VENDOR, tgpp::USER_LOCATION_INFO, &ULI_OF_23415);
    };
    accounting(
        |packet| located(packet),
        |request, _| assert_eq!(request.report.location_info.plmn, Plmn::parse(b"23415").ok()),
    );
    let both = |packet: &mut Encoder<'_>| {
        located(packet);
        packet.vendor(tgpp::VENDOR, tgpp::SGSN_MCC_MNC, b"310410");
    };
    accounting(both, |request, _| {
        assert_eq!(request.report.location_info.plmn, Plmn::parse(b"310410").ok());
    });
    let spoilt = |packet: &mut Encoder<'_>| {
        _ = packet.vendor(tgpp::VENDOR, tgpp::USER_LOCATION_INFO, &[130, 1, 2]);
    };
    accounting(spoilt, |request, _| assert_eq!(request.report.location_info.plmn, None));
}

/// PROTOCOL 14: families tell sessions apart.
#[test]
fn the_family_is_what_the_pdp_type_says_or_the_addresses() {
    let ip = |packet: &mut Encoder<'_>| {
        _ = packet.address(number::FRAMED_IP_ADDRESS, [100, 64, 0, 2].into());
    };
    let ipv6 = |packet: &mut Encoder<'_>| {
        _ = packet.attribute(number::FRAMED_IPV6_PREFIX, &[0, 64, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1]);
    };
    let pdp = |packet: &mut Encoder<'_>, kind: u32| {
        _ = packet.vendor(tgpp::VENDOR, tgpp::PDP_TYPE, &kind.to_be_bytes());
    };
    let families = |write: &dyn Fn(&mut Encoder<'_>)| {
        accounting(|packet| write(packet), |request, _| request.report.families)
    };
    assert_eq!(families(&|_| ()), Families { ipv4: false, ipv6: false });
    assert_eq!(families(&ip), Families { ipv4: true, ipv6: false });
    assert_eq!(families(&ipv6), Families { ipv4: false, ipv6: true });
    assert_eq!(
        families(&|packet| (pdp(packet, 2), ip(packet)).1),
        Families { ipv4: false, ipv6: true }
    );
    assert_eq!(families(&|packet| pdp(packet, 3)), Families { ipv4: true, ipv6: true });
    assert_eq!(families(&|packet| pdp(packet, 0)), Families { ipv4: true, ipv6: false });
}

#[test]
fn a_password_proves_what_the_group_demands() {
    let pap = packet(Code::ACCESS_REQUEST, |packet| {
        packet.attribute(number::USER_NAME, b"nemo").user_password(
            b"arctangent",
            &secret(),
            &[9; 16],
        );
    });
    let chap = packet(Code::ACCESS_REQUEST, |packet| {
        let response = chap_response(3, b"arctangent", b"a challenge of its own");
        packet
            .attribute(number::USER_NAME, b"nemo")
            .attribute(number::CHAP_PASSWORD, &[&[3], &response[..]].concat())
            .attribute(number::CHAP_CHALLENGE, b"a challenge of its own");
    });
    let proves = |octets: &[u8], method, username: &str, password: &str| {
        let datagram = Datagram::frame(octets).unwrap();
        let fields = Fields::gather(&datagram, DEFAULT_VENDOR);
        assert!(!fields.has_unusable_credentials());
        fields.prove(
            &Credentials { method, username: username.into(), password: password.into() },
            &datagram,
            &secret(),
        )
    };
    for (octets, right, wrong) in [
        (&pap, CredentialMethod::Pap, CredentialMethod::Chap),
        (&chap, CredentialMethod::Chap, CredentialMethod::Pap),
    ] {
        assert!(proves(octets, right, "nemo", "arctangent"));
        assert!(!proves(octets, right, "nemo", "arcsine"));
        assert!(!proves(octets, right, "ahab", "arctangent"));
        assert!(!proves(octets, wrong, "nemo", "arctangent"));
    }
}

/// B7, B17.
#[test]
fn two_passwords_or_eap_are_no_credentials() {
    let unusable = |write: &dyn Fn(&mut Encoder<'_>)| {
        let octets = packet(Code::ACCESS_REQUEST, |packet| write(packet));
        Fields::gather(&Datagram::frame(&octets).unwrap(), DEFAULT_VENDOR)
            .has_unusable_credentials()
    };
    assert!(unusable(&|packet| _ = packet
        .attribute(number::USER_PASSWORD, &[0; 16])
        .attribute(number::CHAP_PASSWORD, &[0; 17])));
    assert!(unusable(&|packet| _ = packet.attribute(number::EAP_MESSAGE, &[2, 0, 0, 4])));
    assert!(!unusable(&|packet| _ = packet.attribute(number::CHAP_PASSWORD, &[0; 17])));
}
