//! Hex dumps as `tcpdump -x`, `xxd`, `hexdump -C` and Wireshark write them: an offset, octets, and
//! often the same as text.

use std::ops::Range;

/// Octets of a line unless the offsets say otherwise.
const WIDTH: usize = 16;

/// One line of a dump.
struct Line<'t> {
    offset: usize,
    octets: &'t str,
}

/// The frames of a dump, each beginning at offset 0; none if the text is no dump. Lines between
/// them, such as the headlines of tcpdump, are left out.
pub(super) fn frames(text: &str) -> Vec<Vec<u8>> {
    let lines: Vec<Option<Line<'_>>> = text.lines().map(Line::read).collect();
    let mut frames = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Range { start, end } = extent(&lines, at);
        if end > start {
            frames.push(octets(&lines[start..end]));
        }
        at = end.max(at + 1);
    }
    frames.retain(|frame| !frame.is_empty());
    frames
}

/// The lines from here that belong to one frame: offset 0, and then ever higher ones.
fn extent(lines: &[Option<Line<'_>>], from: usize) -> Range<usize> {
    let offset = |at: usize| lines.get(at)?.as_ref().map(|line| line.offset);
    if offset(from) != Some(0) {
        return from..from;
    }
    let mut end = from + 1;
    while offset(end).is_some_and(|next| offset(end - 1).is_some_and(|last| next > last)) {
        end += 1;
    }
    from..end
}

/// How many octets a line has, the offset of the next one says; the last has at most as many as the
/// first.
fn octets(lines: &[Option<Line<'_>>]) -> Vec<u8> {
    let mut frame = Vec::new();
    let lines: Vec<&Line<'_>> = lines.iter().flatten().collect();
    let width = lines.get(1).map_or(WIDTH, |second| second.offset);
    for (at, line) in lines.iter().enumerate() {
        let wanted = lines.get(at + 1).map_or(width, |next| next.offset - line.offset);
        let read = line.read_octets(wanted);
        // With a gap the rest would stand in the wrong place.
        if frame.len() != line.offset {
            break;
        }
        frame.extend(read);
    }
    frame
}

impl<'t> Line<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let (offset, octets) = line.trim_start().split_once(char::is_whitespace)?;
        let digits = offset.strip_suffix(':').unwrap_or(offset);
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let is_offset = (4..=8).contains(&digits.len());
        let offset = usize::from_str_radix(digits, 16).ok().filter(|_| is_offset)?;
        Some(Self { offset, octets })
    }

    /// The octets up to the column of text, at most as many as wanted.
    fn read_octets(&self, wanted: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut rest = self.octets.trim_start();
        while octets.len() < wanted {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let Some(read) = hex(word) else { break };
            octets.extend(read);
            rest = behind.trim_start();
            let gap = behind.len() - rest.len();
            // Some leave a wider gap in the middle of a line; any other stands before the text.
            if gap > 2 || (gap == 2 && octets.len() != 8) {
                break;
            }
        }
        octets.truncate(wanted);
        octets
    }
}

/// Whole octets in hex digits, without anything between them.
fn hex(word: &str) -> Option<Vec<u8>> {
    let digits =
        word.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<Vec<u8>>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    (rest.is_empty() && !pairs.is_empty())
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets whose text looks like hex itself.
    fn sample() -> Vec<u8> {
        (0..3).flat_map(|_| *b"beefcafe").chain(*b"dead be").collect()
    }

    fn groups(octets: &[u8], size: usize) -> String {
        let group = |chunk: &[u8]| {
            chunk.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
        };
        octets.chunks(size).map(group).collect::<Vec<_>>().join(" ")
    }

    fn dump(octets: &[u8], width: usize, line: impl Fn(usize, &[u8], &str) -> String) -> String {
        let lines = octets
            .chunks(width)
            .enumerate()
            .map(|(at, chunk)| line(at * width, chunk, &String::from_utf8_lossy(chunk)));
        lines.map(|line| line + "\n").collect()
    }

    #[test]
    fn every_usual_dump_is_read() {
        let octets = sample();
        let cases = [
            (
                "xxd",
                dump(&octets, 16, |at, chunk, text| {
                    format!("{at:08x}: {:39}  {text}", groups(chunk, 2))
                }),
            ),
            (
                "xxd -g1",
                dump(&octets, 16, |at, chunk, text| {
                    format!("{at:08x}: {:47}  {text}", groups(chunk, 1))
                }),
            ),
            (
                "xxd -c8",
                dump(&octets, 8, |at, chunk, text| {
                    format!("{at:08x}: {:19}  {text}", groups(chunk, 2))
                }),
            ),
            (
                "tcpdump -x",
                dump(&octets, 16, |at, chunk, _| format!("\t0x{at:04x}:  {}", groups(chunk, 2))),
            ),
            (
                "tcpdump -X",
                dump(&octets, 16, |at, chunk, text| {
                    format!("\t0x{at:04x}:  {:39}  {text}", groups(chunk, 2))
                }),
            ),
            (
                "Wireshark",
                dump(&octets, 16, |at, chunk, text| {
                    format!("{at:04x}  {:47}   {text}", groups(chunk, 1))
                }),
            ),
            (
                "without text",
                dump(&octets, 16, |at, chunk, _| format!("{at:06x} {}", groups(chunk, 1))),
            ),
            (
                "hexdump -C",
                dump(&octets, 16, |at, chunk, text| {
                    let (left, right) = chunk.split_at(chunk.len().min(8));
                    format!("{at:08x}  {:23}  {:23}  |{text}|", groups(left, 1), groups(right, 1))
                }) + "0000001f\n",
            ),
        ];
        for (tool, text) in cases {
            assert_eq!(frames(&text), std::slice::from_ref(&octets), "{tool}:\n{text}");
        }
    }

    #[test]
    fn headlines_part_the_frames() {
        let text = "12:00:00.000000 IP 192.0.2.1.4000 > 192.0.2.2.1812: RADIUS\n\t0x0000:  4500 0014\n\
                    12:00:01.000000 IP 192.0.2.2.1812 > 192.0.2.1.4000: RADIUS\n\t0x0000:  4500 0015\n";
        assert_eq!(frames(text), [vec![0x45, 0, 0, 0x14], vec![0x45, 0, 0, 0x15]]);
    }

    #[test]
    fn plain_hex_is_no_dump() {
        for text in ["0c2a0014 00010203", "0c:2a:00:14", "0c2a\n0014", "", "0000", "0000 xyz"] {
            assert_eq!(frames(text), Vec::<Vec<u8>>::new(), "{text:?}");
        }
    }
}
