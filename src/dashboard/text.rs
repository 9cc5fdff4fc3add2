//! Numbers, times and values as people read them.

use serde_json::Value;

/// A text of the API, or a dash.
pub(super) fn or_dash(value: &Value) -> &str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or("–")
}

/// `2026-09-21T14:13:20.000Z` as `2026-09-21 14:13:20`.
pub(super) fn moment(value: &Value) -> String {
    let text = or_dash(value);
    match text.get(..19) {
        Some(whole) => whole.replace('T', " "),
        None => text.to_owned(),
    }
}

/// A count with its thousands apart.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A rate: small ones with a decimal.
pub(super) fn rate(number: f64) -> String {
    if number > 0.0 && number < 10.0 { format!("{number:.1}") } else { count(number.round()) }
}

/// Seconds in the unit that suits them.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        _ if !seconds.is_finite() => "–".to_owned(),
        _ if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

/// How long ago, roughly.
pub(super) fn ago(seconds: u64) -> String {
    match seconds {
        0..=5 => "now".to_owned(),
        6..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3600),
    }
}

/// Octets in the unit that suits them.
pub(super) fn octets(octets: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = octets;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{value:.0} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(count(1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!((count(0.0), count(999.0)), ("0".to_owned(), "999".to_owned()));
        assert_eq!(
            (rate(0.0), rate(1.26), rate(1000.4)),
            ("0".into(), "1.3".into(), count(1000.0))
        );
        assert_eq!([0.00007, 0.0042, 2.5].map(seconds), ["70 µs", "4.2 ms", "2.5 s"]);
        assert_eq!([0, 60, 600, 86_400].map(ago), ["now", "60 s ago", "10 min ago", "24 h ago"]);
        assert_eq!([7.0, 2048.0, 3e9].map(octets), ["7 B", "2.0 KiB", "2.8 GiB"]);
        assert_eq!(moment(&json!("2026-09-21T14:13:20.000Z")), "2026-09-21 14:13:20");
        assert_eq!(moment(&Value::Null), "–");
    }
}
