//! What a NAK means for what is done next (RFC 5176 3.5).

use std::time::Duration;

use crate::wire::number::value::error_cause;

/// What to do after a NAK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterNak {
    /// The gateway does not know these keys: others, once.
    OtherKeys,
    /// Several sessions match: Acct-Session-Id alone, once.
    SessionIdAlone,
    /// Again after this pause; `may_slow`: the gateway has too much to do.
    Again {
        after: Duration,
        may_slow: bool,
    },
    /// The gateway has no such session: it is over there.
    NoSession,
    /// The gateway does not do this at all: not asked again for a while.
    NotSupported,
    Fail,
}

/// The pauses after 502, 505 and 506.
const BACK_OFF: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20)];

/// The one pause after 504.
const REMOVABLE_SOON: Duration = Duration::from_secs(30);

/// `repeats` is how often the order was repeated because of such an answer.
pub(super) fn after_nak(cause: Option<u32>, repeats: usize) -> AfterNak {
    use error_cause as e;
    match cause {
        Some(e::UNSUPPORTED_ATTRIBUTE | e::MISSING_ATTRIBUTE | e::INVALID_ATTRIBUTE_VALUE) => {
            AfterNak::OtherKeys
        }
        Some(e::UNSUPPORTED_EXTENSION) => AfterNak::NotSupported,
        Some(e::SESSION_CONTEXT_NOT_FOUND) => AfterNak::NoSession,
        Some(e::MULTIPLE_SESSION_SELECTION_UNSUPPORTED) => AfterNak::SessionIdAlone,
        Some(e::SESSION_CONTEXT_NOT_REMOVABLE) if repeats == 0 => {
            AfterNak::Again { after: REMOVABLE_SOON, may_slow: false }
        }
        Some(
            cause @ (e::PROXY_REQUEST_NOT_ROUTABLE
            | e::PROXY_PROCESSING_ERROR
            | e::RESOURCES_UNAVAILABLE),
        ) => BACK_OFF.get(repeats).map_or(AfterNak::Fail, |after| AfterNak::Again {
            after: *after,
            may_slow: cause == e::RESOURCES_UNAVAILABLE,
        }),
        _ => AfterNak::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// std2 1.4: every number, and what follows.
    #[test]
    fn each_cause_has_its_consequence() {
        let again = |secs, may_slow| AfterNak::Again { after: Duration::from_secs(secs), may_slow };
        for (cause, repeats, after) in [
            (Some(401), 0, AfterNak::OtherKeys),
            (Some(402), 0, AfterNak::OtherKeys),
            (Some(407), 0, AfterNak::OtherKeys),
            (Some(403), 0, AfterNak::Fail),
            (Some(404), 0, AfterNak::Fail),
            (Some(405), 0, AfterNak::Fail),
            (Some(406), 0, AfterNak::NotSupported),
            (Some(501), 0, AfterNak::Fail),
            (Some(502), 0, again(5, false)),
            (Some(502), 2, again(20, false)),
            (Some(503), 0, AfterNak::NoSession),
            (Some(504), 0, again(30, false)),
            (Some(504), 1, AfterNak::Fail),
            (Some(505), 1, again(10, false)),
            (Some(506), 0, again(5, true)),
            (Some(506), 3, AfterNak::Fail),
            (Some(507), 0, AfterNak::Fail),
            (Some(508), 0, AfterNak::SessionIdAlone),
            (Some(510), 0, AfterNak::Fail),
            (Some(601), 0, AfterNak::Fail),
            (Some(201), 0, AfterNak::Fail),
            (Some(999), 0, AfterNak::Fail),
            (None, 0, AfterNak::Fail),
        ] {
            assert_eq!(after_nak(cause, repeats), after, "{cause:?}, {repeats}");
        }
    }
}
