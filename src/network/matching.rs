//! Which session a report belongs to: what its names prove, and how old it says it is (PROTOCOL 19
//! and 20). Pure tables, no state.

/// What, beside names that gateways use again, tells one session from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proofs {
    /// The authorisation that a Class of ours names.
    pub(super) authorisation: Option<u64>,
    /// 3GPP-Charging-Id, of the same bearer.
    pub(super) charging_id: Option<u32>,
}

/// What a report that has the name of a session is to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// Of another session, which has or had the same name.
    Other,
    /// The name alone speaks for it.
    Named,
    /// Name and Class, or name and Charging-Id, agree.
    Proven,
}

/// Compares what a session and a report of its name have. `is_given_since`: this server gave the
/// endpoint the report's Class since the session began, so it may be the session's too.
pub(super) fn compare(
    session: Proofs,
    report: Proofs,
    is_given_since: impl FnOnce() -> bool,
) -> Match {
    match (session.charging_id, report.charging_id) {
        (Some(own), Some(sent)) if own == sent => return Match::Proven,
        (Some(_), Some(_)) => return Match::Other,
        (None, _) | (_, None) => {}
    }
    match (session.authorisation, report.authorisation) {
        (Some(own), Some(sent)) if own == sent => Match::Proven,
        (Some(_), Some(_)) if !is_given_since() => Match::Other,
        (None, _) | (_, None) | (Some(_), Some(_)) => Match::Named,
    }
}

/// How old a report says it is, held against the beginning of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It tells of a time since the session began.
    Since,
    /// Of a time before it, within what clocks may differ.
    Before,
    /// Of a time before it, more than seven days ago: an old packet, or a clock that was never set.
    LongBefore,
}

/// Where a report goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// To the session that is not over.
    Session,
    /// To the ended session of the same name.
    Tombstone,
    /// To one of which nothing is known any more.
    Past,
}

/// Where a report goes that has the name of a session which is not over. `has_tombstone`: there is
/// an ended session of that name which had not ended yet at the time of the report.
pub(super) fn belongs(matching: Match, age: Age, has_tombstone: bool) -> Belongs {
    match (matching, age, has_tombstone) {
        (Match::Proven, ..)
        | (Match::Named, Age::Since, _)
        | (Match::Named, Age::Before, false) => Belongs::Session,
        (Match::Named | Match::Other, _, true) => Belongs::Tombstone,
        (Match::Named, Age::LongBefore, false) | (Match::Other, _, false) => Belongs::Past,
    }
}

#[cfg(test)]
mod tests {
    use super::Age::{Before, LongBefore, Since};
    use super::Match::{Named, Other, Proven};
    use super::*;

    /// Class and Charging-Id of the session, of the report, whether the report's Class was given
    /// since -> what it is.
    #[test]
    fn what_names_prove() {
        type Pair = (Option<u64>, Option<u32>);
        let cases: &[(Pair, Pair, bool, Match)] = &[
            ((None, None), (None, None), false, Named),
            ((Some(1), None), (None, None), false, Named),
            ((None, None), (Some(1), None), false, Named),
            ((Some(1), None), (Some(1), None), false, Proven),
            ((Some(1), None), (Some(2), None), false, Other),
            ((Some(1), None), (Some(2), None), true, Named),
            ((None, Some(7)), (None, None), false, Named),
            ((None, None), (None, Some(7)), false, Named),
            ((None, Some(7)), (None, Some(7)), false, Proven),
            ((None, Some(7)), (None, Some(8)), false, Other),
            // With equal Charging-Id it is the same session whatever the Class; with another one it
            // is not, whatever the Class.
            ((Some(1), Some(7)), (Some(2), Some(7)), false, Proven),
            ((Some(1), Some(7)), (Some(1), Some(8)), false, Other),
            ((Some(1), Some(7)), (Some(2), Some(8)), true, Other),
            // One of the two is missing on one side: the other decides.
            ((Some(1), Some(7)), (Some(1), None), false, Proven),
            ((Some(1), None), (Some(2), Some(7)), false, Other),
        ];
        for &((class, charging), (sent_class, sent_charging), is_given_since, wanted) in cases {
            let proofs = |authorisation, charging_id| Proofs { authorisation, charging_id };
            let found = compare(proofs(class, charging), proofs(sent_class, sent_charging), || {
                is_given_since
            });
            assert_eq!(
                found, wanted,
                "{class:?} {charging:?}, {sent_class:?} {sent_charging:?}, {is_given_since}"
            );
        }
    }

    #[test]
    fn only_what_can_be_of_an_earlier_session_is_held_against_the_past() {
        let cases = [
            (Proven, Since, true, Belongs::Session),
            (Proven, Since, false, Belongs::Session),
            (Proven, Before, true, Belongs::Session),
            (Proven, Before, false, Belongs::Session),
            (Proven, LongBefore, true, Belongs::Session),
            (Proven, LongBefore, false, Belongs::Session),
            (Named, Since, true, Belongs::Session),
            (Named, Since, false, Belongs::Session),
            (Named, Before, true, Belongs::Tombstone),
            (Named, Before, false, Belongs::Session),
            (Named, LongBefore, true, Belongs::Tombstone),
            (Named, LongBefore, false, Belongs::Past),
            (Other, Since, true, Belongs::Tombstone),
            (Other, Since, false, Belongs::Past),
            (Other, Before, true, Belongs::Tombstone),
            (Other, Before, false, Belongs::Past),
            (Other, LongBefore, true, Belongs::Tombstone),
            (Other, LongBefore, false, Belongs::Past),
        ];
        for (matching, age, has_tombstone, wanted) in cases {
            assert_eq!(
                belongs(matching, age, has_tombstone),
                wanted,
                "{matching:?} {age:?} {has_tombstone}"
            );
        }
    }
}
