//! Octet counters that never go down: 64 bits, from 32-bit values with or without Gigawords (RFC
//! 2866 5.3, RFC 2869 5.1).

/// What a newer value said about a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CounterReading {
    /// As high as before, or higher; or no value at all.
    Taken,
    /// Lower without Gigawords, and so near to the 32-bit limit before that it has wrapped.
    Wrapped,
    /// Lower for no good reason: ignored.
    Lowered,
}

const HALF: u32 = 1 << 31;

/// Takes the value of a report newer than all before. Without Gigawords the upper half is what is
/// known of it.
pub(super) fn advance(total: &mut u64, low: Option<u32>, gigawords: Option<u32>) -> CounterReading {
    let Some(low) = low else { return CounterReading::Taken };
    let before = *total;
    let (value, wraps) = match gigawords {
        Some(high) => (join(high, low), false),
        None => (join((before >> 32) as u32, low), before as u32 >= HALF && low < HALF),
    };
    if value >= before {
        *total = value;
        CounterReading::Taken
    } else if wraps {
        *total = value.saturating_add(1 << 32);
        CounterReading::Wrapped
    } else {
        CounterReading::Lowered
    }
}

/// Takes the value of a report that is not newer than what is known: it may only raise. Such a
/// value is never read as a wrap, so a repetition of an old report changes nothing. Returns whether
/// it rose.
pub(super) fn raise(total: &mut u64, low: Option<u32>, gigawords: Option<u32>) -> bool {
    let value = low.map_or(0, |low| join(gigawords.unwrap_or(0), low));
    let rises = value > *total;
    *total = (*total).max(value);
    rises
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::CounterReading::{Lowered, Taken, Wrapped};
    use super::*;

    /// Counter before, value, Gigawords -> counter after.
    #[test]
    fn a_newer_value() {
        type Case = (u64, Option<u32>, Option<u32>, u64, CounterReading);
        let cases: &[Case] = &[
            (0, Some(100), None, 100, Taken),
            (100, Some(100), None, 100, Taken),
            (100, None, None, 100, Taken),
            (100, None, Some(3), 100, Taken),
            // standards.md E8
            (0, Some(5), Some(1), 4_294_967_301, Taken),
            (0, Some(4_294_967_295), Some(2), 12_884_901_887, Taken),
            // standards.md E9
            (4_294_967_000, Some(500), None, 4_294_967_796, Wrapped),
            // The upper half is kept, and may wrap on.
            (4_294_967_796, Some(600), None, 4_294_967_896, Taken),
            ((7 << 32) + 4_000_000_000, Some(1), None, (8 << 32) + 1, Wrapped),
            // PROTOCOL 10: old low half >= 2^31 and new < 2^31, on both edges.
            (1 << 31, Some((1 << 31) - 1), None, (1 << 32) + (1 << 31) - 1, Wrapped),
            ((1 << 31) - 1, Some(5), None, (1 << 31) - 1, Lowered),
            ((1 << 31) + 9, Some(1 << 31), None, (1 << 31) + 9, Lowered),
            // With Gigawords there is no guessing.
            (4_294_967_000, Some(500), Some(0), 4_294_967_000, Lowered),
            (u64::MAX, Some(1), None, u64::MAX, Wrapped),
        ];
        for &(before, low, gigawords, after, reading) in cases {
            let mut total = before;
            assert_eq!(
                advance(&mut total, low, gigawords),
                reading,
                "{before} then {low:?} {gigawords:?}"
            );
            assert_eq!(total, after, "{before} then {low:?} {gigawords:?}");
        }
    }

    #[test]
    fn an_older_value_only_raises() {
        let cases: &[(u64, Option<u32>, Option<u32>, u64)] = &[
            (100, Some(90), None, 100),
            (100, Some(110), None, 110),
            (100, None, Some(9), 100),
            (100, Some(1), Some(1), 4_294_967_297),
            // From before a wrap: no reason to add anything.
            (4_294_967_796, Some(4_294_967_000), None, 4_294_967_796),
        ];
        for &(before, low, gigawords, after) in cases {
            let mut total = before;
            assert_eq!(raise(&mut total, low, gigawords), after > before);
            assert_eq!(total, after, "{before} then {low:?} {gigawords:?}");
        }
    }
}
