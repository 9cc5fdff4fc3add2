//! MD5 of eight messages abreast. One digest is a chain in which every step waits for the last;
//! eight chains, a word of each in one vector of AVX2, take hardly longer than one.
//!
//! The only unsafe thing is the call into code for AVX2, behind the look whether there is AVX2.
//! Where there is none, nothing fits into a lane, and whoever asks computes one digest after the
//! other.
#![allow(
    unsafe_code,
    reason = "a function compiled for AVX2 may only be called where there is AVX2, which the compiler cannot know"
)]

/// Messages that are digested at once.
pub(super) const ABREAST: usize = 8;

/// With fewer, eight digests abreast take longer than these one after the other.
pub(super) const WORTH_WHILE: usize = 3;

/// Blocks of what an HMAC digests in the end: its key, and the digest of the packet.
pub(super) const OUTER: usize = 2;

/// What is put behind every message, at least: a one bit, and its length (RFC 1321 sections 3.1 and
/// 3.2).
const PADDING: usize = 9;

/// What digests begin with (RFC 1321 section 3.3).
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The same word of each message.
type Word = [u32; ABREAST];

/// Eight messages, each in its lane, of at most so many blocks of 64 octets.
pub(super) struct Lanes<const BLOCKS: usize> {
    words: [[Word; 16]; BLOCKS],
    digests: [Word; 4],
    blocks: Word,
    is_possible: bool,
}

impl<const BLOCKS: usize> Default for Lanes<BLOCKS> {
    fn default() -> Self {
        Self {
            words: [[[0; ABREAST]; 16]; BLOCKS],
            digests: [[0; ABREAST]; 4],
            blocks: [0; ABREAST],
            is_possible: is_possible(),
        }
    }
}

fn is_possible() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

impl<const BLOCKS: usize> Lanes<BLOCKS> {
    /// Whether a message of so many octets can be digested.
    pub(super) fn takes(&self, octets: usize) -> bool {
        self.is_possible && octets + PADDING <= BLOCKS * 64
    }

    /// Puts a message into a lane. Whether it fits; if not, the lane is left out.
    pub(super) fn load(&mut self, lane: usize, parts: &[&[u8]]) -> bool {
        let mut message = [[0; 64]; BLOCKS];
        let message = message.as_flattened_mut();
        let mut length = 0;
        for part in parts {
            let Some(buf) = message.get_mut(length..length + part.len()) else { return false };
            buf.copy_from_slice(part);
            length += part.len();
        }
        // RFC 1321 sections 3.1 and 3.2: a one bit, zeros, and the length in bits as the last eight
        // octets of a block.
        let end = (length + PADDING).next_multiple_of(64);
        if end > message.len() || !self.is_possible {
            return false;
        }
        message[length] = 0x80;
        message[end - 8..end].copy_from_slice(&(length as u64 * 8).to_le_bytes());
        let (octets, _) = message[..end].as_chunks::<4>();
        for (word, octets) in self.words.as_flattened_mut().iter_mut().zip(octets) {
            word[lane] = u32::from_le_bytes(*octets);
        }
        self.blocks[lane] = (end / 64) as u32;
        true
    }

    /// Digests what has been loaded.
    pub(super) fn run(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if self.is_possible {
            // SAFETY: it is possible where there is AVX2.
            self.digests = unsafe { avx2::digest(&self.words, self.blocks) };
        }
    }

    /// The digest in a lane.
    pub(super) fn digest(&self, lane: usize) -> [u8; 16] {
        let mut digest = [0; 16];
        let (words, _) = digest.as_chunks_mut::<4>();
        for (octets, word) in words.iter_mut().zip(self.digests) {
            *octets = word[lane].to_le_bytes();
        }
        digest
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
        _mm256_blendv_epi8, _mm256_cmpgt_epi32, _mm256_extract_epi32, _mm256_or_si256,
        _mm256_set1_epi32, _mm256_setr_epi32, _mm256_sll_epi32, _mm256_srl_epi32, _mm256_xor_si256,
    };

    use super::{SHIFTS, SINES, START, Word};

    /// The state of each lane after as many blocks as it has.
    #[target_feature(enable = "avx2")]
    pub(super) fn digest(words: &[[Word; 16]], blocks: Word) -> [Word; 4] {
        let longest = blocks.into_iter().max().unwrap_or(0);
        let [mut a, mut b, mut c, mut d] = START.map(|word| _mm256_set1_epi32(word.cast_signed()));
        let blocks = vector(&blocks);
        for (at, block) in (0..longest.cast_signed()).zip(words) {
            let (next_a, next_b, next_c, next_d) = compress(a, b, c, d, block);
            let goes_on = _mm256_cmpgt_epi32(blocks, _mm256_set1_epi32(at));
            a = _mm256_blendv_epi8(a, next_a, goes_on);
            b = _mm256_blendv_epi8(b, next_b, goes_on);
            c = _mm256_blendv_epi8(c, next_c, goes_on);
            d = _mm256_blendv_epi8(d, next_d, goes_on);
        }
        [words_of(a), words_of(b), words_of(c), words_of(d)]
    }

    /// One block of each message (RFC 1321 section 3.4).
    #[target_feature(enable = "avx2")]
    #[inline]
    fn compress(
        a: __m256i,
        b: __m256i,
        c: __m256i,
        d: __m256i,
        block: &[Word; 16],
    ) -> (__m256i, __m256i, __m256i, __m256i) {
        let mut state = (a, b, c, d);
        // Written out: in a loop it would have to be looked up what is constant here.
        macro_rules! round {
            ($round:literal: $($step:literal)*) => { $( state = step::<$round, $step>(state, block); )* };
        }
        round!(0: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        round!(1: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        round!(2: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        round!(3: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        let sum = |before, after| _mm256_add_epi32(before, after);
        (sum(a, state.0), sum(b, state.1), sum(c, state.2), sum(d, state.3))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn step<const ROUND: usize, const STEP: usize>(
        (a, b, c, d): (__m256i, __m256i, __m256i, __m256i),
        block: &[Word; 16],
    ) -> (__m256i, __m256i, __m256i, __m256i) {
        let (mixed, place) = match ROUND {
            0 => (_mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d))), STEP),
            1 => (
                _mm256_or_si256(_mm256_and_si256(d, b), _mm256_andnot_si256(d, c)),
                (5 * STEP + 1) % 16,
            ),
            2 => (_mm256_xor_si256(_mm256_xor_si256(b, c), d), (3 * STEP + 5) % 16),
            _ => (
                _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, _mm256_set1_epi32(-1)))),
                7 * STEP % 16,
            ),
        };
        let constant = _mm256_set1_epi32(SINES[16 * ROUND + STEP].cast_signed());
        let sum = _mm256_add_epi32(
            _mm256_add_epi32(a, _mm256_add_epi32(vector(&block[place]), constant)),
            mixed,
        );
        let shift = SHIFTS[ROUND][STEP % 4];
        let turned = _mm256_or_si256(
            _mm256_sll_epi32(sum, _mm_cvtsi32_si128(shift)),
            _mm256_srl_epi32(sum, _mm_cvtsi32_si128(32 - shift)),
        );
        (d, _mm256_add_epi32(b, turned), b, c)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn vector(word: &Word) -> __m256i {
        let word = word.map(u32::cast_signed);
        _mm256_setr_epi32(word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7])
    }

    #[target_feature(enable = "avx2")]
    fn words_of(vector: __m256i) -> Word {
        [
            _mm256_extract_epi32::<0>(vector),
            _mm256_extract_epi32::<1>(vector),
            _mm256_extract_epi32::<2>(vector),
            _mm256_extract_epi32::<3>(vector),
            _mm256_extract_epi32::<4>(vector),
            _mm256_extract_epi32::<5>(vector),
            _mm256_extract_epi32::<6>(vector),
            _mm256_extract_epi32::<7>(vector),
        ]
        .map(i32::cast_unsigned)
    }
}

/// How far each of four steps turns, by round.
#[cfg(target_arch = "x86_64")]
const SHIFTS: [[i32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The whole part of 2^32 times |sin(n)|, n from 1 to 64, in radians.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    #[test]
    fn the_sines_are_sines() {
        for (n, sine) in SINES.into_iter().enumerate() {
            assert_eq!(sine, (((n + 1) as f64).sin().abs() * 2_f64.powi(32)) as u32);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut lanes = Lanes::<12> { is_possible: true, ..Lanes::default() };
        assert!(lanes.load(0, &[&[7; 12 * 64 - 9]]));
        assert!(!lanes.load(1, &[&[7; 12 * 64 - 8]]));
        assert!(!lanes.load(2, &[&[7; 400], &[7; 400]]));
    }

    proptest! {
        /// Whatever lies in the other lanes, each digest is the one that everybody computes.
        #[test]
        fn every_lane_is_md5(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 1..=ABREAST)) {
            let mut lanes = Lanes::<12>::default();
            if lanes.is_possible {
                for (lane, message) in messages.iter().enumerate() {
                    let (head, tail) = message.split_at(message.len() / 3);
                    prop_assert!(lanes.load(lane, &[head, tail]));
                }
                lanes.run();
                for (lane, message) in messages.iter().enumerate() {
                    prop_assert_eq!(lanes.digest(lane), <[u8; 16]>::from(Md5::digest(message)));
                }
            }
        }
    }
}
