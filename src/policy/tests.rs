//! Policies against what requests tell: the checklist of the digest, and what lies between.

use super::*;
use crate::identity::{Imei, Imeisv};

use PolicyReason::{
    CountryNotAllowed, DeviceNotAllowed, ImeiMismatch, ImeiMissing, LocationUnknown,
    OperatorNotAllowed, RadioNotAllowed,
};

/// An entry from words: `operator 26201 radio nb-iot tac 35349006 allow`.
fn entry(text: &str) -> PolicyEntry {
    let words: Vec<&str> = text.split(' ').collect();
    let (action, words) = words.split_last().unwrap();
    let mut entry = PolicyEntry::everywhere(PolicyAction::parse(action).unwrap());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if *word == "international" {
            entry.international = true;
            continue;
        }
        let value = words.next().unwrap();
        match *word {
            "operator" => entry.operator = value.parse().ok(),
            "country" => entry.country = CountryCode::parse(value).ok(),
            "radio" => entry.radio = value.split('|').filter_map(RadioClass::parse).collect(),
            "tac" => entry.tac = value.split('|').map(|tac| Tac::parse(tac).unwrap()).collect(),
            other => panic!("{other}"),
        }
    }
    entry
}

fn terms(entries: &[PolicyEntry], when_missing: WhenMissing) -> PolicyTerms<'_> {
    PolicyTerms {
        allow_2g: true,
        allow_3g: true,
        allow_45g: true,
        when_missing,
        imei_lock: ImeiLock::Off,
        entries,
    }
}

/// From words: `26202 rat 6 imei 35349006987300`; `-` is no network.
fn at(text: &str) -> Circumstances {
    let mut words = text.split(' ');
    let plmn = serving_network(words.next().and_then(|plmn| plmn.parse().ok()), None, None);
    let mut at = Circumstances { plmn, ..Circumstances::default() };
    while let (Some(word), Some(value)) = (words.next(), words.next()) {
        match word {
            "rat" => at.rat = value.parse().ok(),
            _ => at.imeisv = Imeisv::parse(value.as_bytes()).ok(),
        }
    }
    at
}

/// Each policy with what is refused under it, and why; with `when_missing` allow, then reject.
#[test]
fn the_most_specific_entry_decides() {
    let home = &["country DE allow", "reject"][..];
    let lte_only = &["radio 4g allow", "reject"][..];
    let nb_iot_in_germany = &["country DE radio nb-iot allow", "reject"][..];
    let not_this_device = &["tac 35349006 reject"][..];
    for (policy, request, expected) in [
        // POL-1, POL-2.
        (home, "26202", [None; 2]),
        (home, "20801", [Some(CountryNotAllowed); 2]),
        (home, "262002", [None; 2]),
        // POL-3.
        (&["operator 310410 allow", "country US reject"], "310410", [None; 2]),
        (&["operator 310410 allow", "country US reject"], "310260", [Some(CountryNotAllowed); 2]),
        (&["operator 310410 reject", "country US allow"], "310410", [Some(OperatorNotAllowed); 2]),
        // POL-4.
        (&["operator 40502 reject"], "405025", [None; 2]),
        (&["operator 31041 reject"], "310041", [None; 2]),
        (&["operator 262002 reject"], "26202", [Some(OperatorNotAllowed); 2]),
        // POL-6.
        (home, "-", [None, Some(LocationUnknown)]),
        (&["operator 20801 reject"], "-", [None, Some(LocationUnknown)]),
        (&["radio 2g reject"], "- rat 6", [None; 2]),
        // POL-7.
        (home, "90114", [Some(CountryNotAllowed); 2]),
        (&["country DE allow", "international allow", "reject"], "90114", [None; 2]),
        (&["international reject"], "90114", [Some(CountryNotAllowed); 2]),
        (&["international reject"], "26201", [None; 2]),
        (&["international reject"], "00101", [None; 2]),
        // POL-8.
        (&["country GU allow", "reject"], "310370", [None; 2]),
        (home, "310370", [Some(CountryNotAllowed); 2]),
        (&["operator 310370 reject", "country GU allow"], "310370", [Some(OperatorNotAllowed); 2]),
        // Of a shared code the primary country is meant first.
        (&["country GU allow", "country USA reject"], "310370", [Some(CountryNotAllowed); 2]),
        // POL-11.
        (not_this_device, "26202 imei 3534900698730012", [Some(DeviceNotAllowed); 2]),
        (not_this_device, "26202 imei 3534900798730012", [None; 2]),
        (not_this_device, "26202", [None, Some(ImeiMissing)]),
        (
            &["tac 3534 allow", "tac 35349006 reject", "reject"],
            "26202 imei 35349006987300",
            [Some(DeviceNotAllowed); 2],
        ),
        (&["tac 3534 allow", "reject"], "26202 imei 35349106987300", [None; 2]),
        // POL-12.
        (lte_only, "26202 rat 6", [None; 2]),
        (lte_only, "26202 rat 8", [Some(RadioNotAllowed); 2]),
        (lte_only, "26202 rat 9", [Some(RadioNotAllowed); 2]),
        (lte_only, "26202 rat 51", [Some(RadioNotAllowed); 2]),
        (lte_only, "26202 rat 10", [Some(RadioNotAllowed); 2]),
        (lte_only, "26202 rat 200", [None, Some(RadioNotAllowed)]),
        (lte_only, "26202", [None, Some(RadioNotAllowed)]),
        (&["radio other reject"], "26202 rat 200", [Some(RadioNotAllowed); 2]),
        (&["radio satellite reject"], "26202 rat 12", [Some(RadioNotAllowed); 2]),
        (nb_iot_in_germany, "26202 rat 8", [None; 2]),
        (nb_iot_in_germany, "26202 rat 6", [Some(RadioNotAllowed); 2]),
        (nb_iot_in_germany, "20801 rat 8", [Some(CountryNotAllowed); 2]),
        // What is about radio and device is narrower than what is about the place alone.
        (&["country DE reject", "country DE radio nb-iot allow"], "26202 rat 8", [None; 2]),
        (&[], "26202", [None; 2]),
    ] {
        let entries: Vec<PolicyEntry> = policy.iter().map(|text| entry(text)).collect();
        let refused = [WhenMissing::Allow, WhenMissing::Reject].map(|when_missing| {
            CompiledPolicy::new(terms(&entries, when_missing)).judge(&at(request), None).refused
        });
        assert_eq!(refused, expected, "{policy:?} {request}");
    }
}

#[test]
fn it_tells_which_entry_decided() {
    let entries = ["reject", "country DE allow", "operator 26201 reject-soft"].map(entry);
    let policy = CompiledPolicy::new(terms(&entries, WhenMissing::Allow));
    for (request, by, is_soft) in [
        ("26201", DecidedBy::Entry(2), true),
        ("26202", DecidedBy::Entry(1), false),
        ("20801", DecidedBy::Entry(0), false),
        ("-", DecidedBy::Missing, false),
    ] {
        let verdict = policy.judge(&at(request), None);
        assert_eq!((verdict.by, verdict.is_soft), (by, is_soft), "{request}");
    }
}

/// The platform's flags are about generations.
#[test]
fn a_generation_that_is_off_is_refused() {
    let mut terms = terms(&[], WhenMissing::Allow);
    (terms.allow_2g, terms.allow_45g) = (false, false);
    for (rat, refused) in [
        (1, false),
        (2, true),
        (5, false),
        (6, true),
        (8, true),
        (51, true),
        (3, false),
        (200, false),
    ] {
        let at = Circumstances { rat: Some(rat), ..Circumstances::default() };
        let verdict = CompiledPolicy::new(terms).judge(&at, None);
        assert_eq!(verdict.refused, refused.then_some(RadioNotAllowed), "{rat}");
    }
    terms.when_missing = WhenMissing::Reject;
    let verdict = CompiledPolicy::new(terms).judge(&Circumstances::default(), None);
    assert_eq!((verdict.refused, verdict.by), (Some(RadioNotAllowed), DecidedBy::Generation));
}

/// POL-9, POL-10.
#[test]
fn a_lock_compares_the_device_not_its_software() {
    let own = Imei::of(Imeisv::parse(b"35349006987300").unwrap());
    let terms = PolicyTerms { imei_lock: ImeiLock::Learn, ..terms(&[], WhenMissing::Allow) };
    let policy = CompiledPolicy::new(terms);
    for (request, expected) in [
        ("26202 imei 3534900698730012", None),
        ("26202 imei 3534900698730099", None),
        ("26202 imei 353490069873000", None),
        ("26202 imei 3534900698730112", Some(ImeiMismatch)),
        ("26202", None),
    ] {
        assert_eq!(policy.judge(&at(request), Some(own)).refused, expected, "{request}");
        assert_eq!(policy.judge(&at(request), None).refused, None, "nothing is learnt yet");
    }
    let strict = PolicyTerms { when_missing: WhenMissing::Reject, ..terms };
    let refused = CompiledPolicy::new(strict).judge(&at("26202"), Some(own)).refused;
    assert_eq!(refused, Some(ImeiMissing));
}
