//! The names of freeradius_exporter, for dashboards that were made for FreeRADIUS. Computed from
//! our own counters when somebody scrapes.
//!
//! FreeRADIUS counts what it drops by port, attachd by reason: what can happen on both ports stands
//! under `auth`, and the help texts say so.

use std::fmt::Write as _;

use super::exposition::sum;

/// A counter of ours, and the label value whose series are meant.
type Source = (&'static str, &'static str, &'static str);

const fn requests(code: &'static str) -> Source {
    ("radius_requests_total", "code", code)
}

const fn responses(code: &'static str) -> Source {
    ("radius_responses_total", "code", code)
}

const fn duplicates(code: &'static str) -> Source {
    ("radius_duplicates_total", "code", code)
}

const fn dropped(reason: &'static str) -> Source {
    ("radius_dropped_total", "reason", reason)
}

/// Each name with its help text and what is summed up for it; nothing: attachd never does that.
const COUNTERS: &[(&str, &str, &[Source])] = &[
    ("total_access_requests", "Access-Requests.", &[requests("Access-Request")]),
    (
        "total_access_accepts",
        "Access-Accepts, in answer to Status-Server, too.",
        &[responses("Access-Accept")],
    ),
    ("total_access_rejects", "Access-Rejects.", &[responses("Access-Reject")]),
    ("total_access_challenges", "Access-Challenges: none.", &[]),
    (
        "total_auth_responses",
        "Replies on authentication ports, and Protocol-Errors over TLS.",
        &[responses("Access-Accept"), responses("Access-Reject"), responses("Protocol-Error")],
    ),
    ("total_auth_duplicate_requests", "Repeated Access-Requests.", &[duplicates("Access-Request")]),
    (
        "total_auth_malformed_requests",
        "Malformed packets, of accounting ports, too.",
        &[dropped("malformed")],
    ),
    (
        "total_auth_invalid_requests",
        "Packets of unknown senders, of accounting ports, too, and Access-Requests without a valid Message-Authenticator.",
        &[
            dropped("unknown-gateway"),
            dropped("tls-only"),
            dropped("bad-message-authenticator"),
            dropped("missing-message-authenticator"),
            dropped("proxy-state-limited"),
        ],
    ),
    (
        "total_auth_dropped_requests",
        "Valid requests that were not answered, of accounting ports, too.",
        &[
            dropped("rate-limited"),
            dropped("duplicate-in-flight"),
            dropped("journal"),
            dropped("overload"),
            dropped("not-ready"),
            dropped("reply-too-long"),
            dropped("unsent"),
        ],
    ),
    (
        "total_auth_unknown_types",
        "Packets of an unknown code, of accounting ports, too.",
        &[dropped("unknown-code")],
    ),
    ("total_acct_requests", "Accounting-Requests.", &[requests("Accounting-Request")]),
    (
        "total_acct_responses",
        "Accounting-Responses, in answer to Status-Server, too.",
        &[responses("Accounting-Response")],
    ),
    (
        "total_acct_duplicate_requests",
        "Repeated Accounting-Requests.",
        &[duplicates("Accounting-Request")],
    ),
    ("total_acct_malformed_requests", "Counted as freeradius_total_auth_malformed_requests.", &[]),
    (
        "total_acct_invalid_requests",
        "Accounting-Requests with a wrong authenticator.",
        &[dropped("bad-authenticator")],
    ),
    ("total_acct_dropped_requests", "Counted as freeradius_total_auth_dropped_requests.", &[]),
    ("total_acct_unknown_types", "Counted as freeradius_total_auth_unknown_types.", &[]),
];

/// What attachd has none of, since it forwards nothing.
const PROXY: [&str; 17] = [
    "access_requests",
    "access_accepts",
    "access_rejects",
    "access_challenges",
    "auth_responses",
    "auth_duplicate_requests",
    "auth_malformed_requests",
    "auth_invalid_requests",
    "auth_dropped_requests",
    "auth_unknown_types",
    "acct_requests",
    "acct_responses",
    "acct_duplicate_requests",
    "acct_malformed_requests",
    "acct_invalid_requests",
    "acct_dropped_requests",
    "acct_unknown_types",
];

/// Workers have no queues in front of them.
const QUEUES: [&str; 5] = ["internal", "proxy", "auth", "acct", "detail"];

/// Appends the exposition text for what `text` already tells under our own names.
pub(super) fn render(text: &mut String) {
    let mut more = String::new();
    // Writing to a string does not fail.
    for (name, help, sources) in COUNTERS {
        let value: u64 = sources
            .iter()
            .map(|(metric, label, value)| sum(text, metric, Some((label, value))))
            .sum();
        let _ = writeln!(
            more,
            "# HELP freeradius_{name} {help}\n# TYPE freeradius_{name} counter\nfreeradius_{name} {value}"
        );
    }
    for name in PROXY.map(|name| format!("freeradius_total_proxy_{name}")) {
        let _ =
            writeln!(more, "# HELP {name} Nothing is forwarded.\n# TYPE {name} counter\n{name} 0");
    }
    for name in QUEUES.map(|name| format!("freeradius_queue_len_{name}")) {
        let _ =
            writeln!(more, "# HELP {name} There is no such queue.\n# TYPE {name} gauge\n{name} 0");
    }
    for (name, own, help) in [
        (
            "freeradius_start_time",
            "process_start_time_seconds",
            "When the server was started, since the Unix epoch.",
        ),
        (
            "freeradius_hup_time",
            "attachd_reload_timestamp_seconds",
            "When the configuration in force was loaded, since the Unix epoch.",
        ),
    ] {
        let value = text.lines().find_map(|line| line.strip_prefix(own)?.strip_prefix(' '));
        if let Some(value) = value {
            let _ = writeln!(more, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
    }
    text.push_str(&more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::counters::{Dropped, REQUESTS, RESPONSES};

    #[test]
    fn our_counters_are_summed_up_under_the_other_names() {
        let mut text = "\
radius_requests_total{gateway=\"a\",code=\"Access-Request\"} 5
radius_requests_total{gateway=\"b\",code=\"Access-Request\"} 2
radius_responses_total{gateway=\"a\",code=\"Access-Accept\"} 3
radius_responses_total{gateway=\"b\",code=\"Access-Reject\"} 2
radius_dropped_total{gateway=\"a\",reason=\"overload\"} 1
radius_dropped_total{reason=\"journal\"} 1
attachd_reload_timestamp_seconds 1790000000.5
"
        .to_owned();
        render(&mut text);
        for line in [
            "freeradius_total_access_requests 7",
            "freeradius_total_access_accepts 3",
            "freeradius_total_auth_responses 5",
            "freeradius_total_auth_dropped_requests 2",
            "freeradius_total_acct_requests 0",
            "freeradius_total_proxy_access_requests 0",
            "freeradius_hup_time 1790000000.5",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }

    /// Whatever we count is found under one of the other names, and what is summed up exists.
    #[test]
    fn nothing_is_left_out_and_nothing_is_invented() {
        let sources: Vec<Source> =
            COUNTERS.iter().flat_map(|(_, _, sources)| *sources).copied().collect();
        for reason in Dropped::ALL {
            assert!(sources.contains(&dropped(reason.label())), "{reason:?}");
        }
        let codes: Vec<String> =
            REQUESTS.into_iter().chain(RESPONSES).map(|code| code.to_string()).collect();
        for (metric, _, value) in sources {
            assert!(
                metric == "radius_dropped_total" || codes.iter().any(|code| code == value),
                "{value}"
            );
        }
    }
}
