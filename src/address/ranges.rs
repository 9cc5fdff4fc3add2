//! The addresses that are never given, as a few sorted ranges.

/// Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    pub first: u32,
    pub last: u32,
}

/// Sorted, and neither overlapping nor touching. A configuration has a handful, so the binary
/// search takes a few steps.
#[derive(Debug, PartialEq, Eq)]
pub struct OffsetRanges(Vec<OffsetRange>);

impl OffsetRanges {
    pub fn of(ranges: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges.collect();
        sorted.sort_unstable();
        let mut merged: Vec<OffsetRange> = Vec::new();
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(before) if first <= before.last.saturating_add(1) => {
                    before.last = before.last.max(last);
                }
                _ => merged.push(OffsetRange { first, last }),
            }
        }
        Self(merged)
    }

    pub fn iter(&self) -> impl Iterator<Item = OffsetRange> {
        self.0.iter().copied()
    }

    pub fn contains(&self, offset: u32) -> bool {
        self.last_of(offset).is_some()
    }

    /// The end of the range that `offset` is in.
    pub fn last_of(&self, offset: u32) -> Option<u32> {
        let after = self.0.partition_point(|range| range.first <= offset);
        let candidate = self.0.get(after.checked_sub(1)?)?;
        (offset <= candidate.last).then_some(candidate.last)
    }

    pub fn size(&self) -> u64 {
        self.0.iter().map(|range| u64::from(range.last - range.first) + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_what_overlaps_or_touches() {
        let ranges =
            OffsetRanges::of([(8, 9), (0, 1), (2, 4), (3, 3), (u32::MAX, u32::MAX)].into_iter());
        let ends: Vec<_> = ranges.iter().map(|range| (range.first, range.last)).collect();
        assert_eq!(ends, [(0, 4), (8, 9), (u32::MAX, u32::MAX)]);
        assert_eq!(ranges.size(), 8);
        for (offset, last) in [
            (0, Some(4)),
            (4, Some(4)),
            (5, None),
            (8, Some(9)),
            (10, None),
            (u32::MAX, Some(u32::MAX)),
        ] {
            assert_eq!(ranges.last_of(offset), last, "{offset}");
        }
    }
}
