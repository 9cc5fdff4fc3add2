//! Packets in a stream of octets: where each ends is said by its Length alone (RFC 6613 2.6.4).

use bytes::{Bytes, BytesMut};

use super::datagram::{LONGEST, Malformed, SHORTEST};

/// Octets of a stream that are no whole packet yet. It knows no socket: octets come in as they are
/// cut, packets come out.
#[derive(Debug, Default)]
pub struct PacketStream {
    octets: BytesMut,
}

/// Code, identifier and Length: from here on a packet's end is known.
const HEAD: usize = 4;

impl PacketStream {
    /// Where octets that were received are to be appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.octets
    }

    /// The next whole packet, if all of it is there.
    ///
    /// # Errors
    /// If its Length cannot be: nobody knows where the packet behind it begins. Said as soon as the
    /// Length is there, for a packet that claims more than it may would hold up all behind it.
    pub fn next_packet(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some([_, _, high, low]) = self.octets.first_chunk::<HEAD>() else { return Ok(None) };
        let length = u16::from_be_bytes([*high, *low]);
        if !(SHORTEST..=LONGEST).contains(&usize::from(length)) {
            return Err(Malformed::LengthOutOfRange { length });
        }
        if self.octets.len() < usize::from(length) {
            return Ok(None);
        }
        let packet = self.octets.split_to(usize::from(length)).freeze();
        if self.octets.is_empty() {
            // An idle connection holds no buffer.
            self.octets = BytesMut::new();
        }
        Ok(Some(packet))
    }

    /// Whether a packet has begun and is not whole.
    pub fn is_within_packet(&self) -> bool {
        !self.octets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(code: u8, length: usize) -> Vec<u8> {
        let mut packet = vec![code; length];
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet
    }

    fn feed(stream: &mut PacketStream, octets: &[u8], out: &mut Vec<Vec<u8>>) {
        stream.buffer().extend_from_slice(octets);
        while let Some(packet) = stream.next_packet().unwrap() {
            out.push(packet.to_vec());
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_told_with_the_fourth_octet() {
        for length in [0_u16, 19, 4097, 5000, u16::MAX] {
            let mut stream = PacketStream::default();
            let [high, low] = length.to_be_bytes();
            stream.buffer().extend_from_slice(&[1, 7, high]);
            assert_eq!(stream.next_packet(), Ok(None));
            stream.buffer().extend_from_slice(&[low]);
            assert_eq!(stream.next_packet(), Err(Malformed::LengthOutOfRange { length }));
        }
    }

    #[test]
    fn every_cut_of_two_packets_gives_the_same_two() {
        let both = [packet(1, 20), packet(4, 40)];
        let octets = both.concat();
        for cut in 0..=octets.len() {
            let (mut stream, mut out) = (PacketStream::default(), Vec::new());
            feed(&mut stream, &octets[..cut], &mut out);
            assert_eq!(stream.is_within_packet(), !matches!(cut, 0 | 20 | 60), "{cut}");
            feed(&mut stream, &octets[cut..], &mut out);
            assert_eq!(out, both, "{cut}");
            assert!(!stream.is_within_packet());
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_packets_are_the_same(
            lengths in prop::collection::vec(20_usize..=4096, 1..12),
            cuts in prop::collection::vec(1_usize..700, 1..40),
        ) {
            let packets: Vec<_> = lengths.iter().enumerate().map(|(nth, length)| packet(nth as u8, *length)).collect();
            let octets = packets.concat();
            let (mut stream, mut out, mut left) = (PacketStream::default(), Vec::new(), octets.as_slice());
            for cut in cuts.iter().cycle() {
                if left.is_empty() { break; }
                let (now, later) = left.split_at(left.len().min(*cut));
                feed(&mut stream, now, &mut out);
                left = later;
            }
            prop_assert_eq!(out, packets);
        }
    }
}
