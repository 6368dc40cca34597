//! G.711, the telephone's code: one byte per sample at 8 kHz, in its two laws.
//!
//! µ-law (North America, Japan, Twilio) keeps 14 of 16 bits' range, A-law (elsewhere) 13. Both work by
//! table; the tables are computed by the compiler. Source: ITU-T G.711 (11/88), tables 1a to 2b; a sample
//! that lies between two decision values gets the code of the interval it lies in.

use super::frame::PcmFrame;
use super::rate::Hz8k;

/// Digital silence in µ-law.
pub const ULAW_SILENCE: u8 = 0xFF;
/// Digital silence in A-law.
pub const ALAW_SILENCE: u8 = 0xD5;

/// Decodes µ-law: one sample per byte, as many as the shorter of the two holds.
pub fn decode_ulaw(bytes: &[u8], samples: &mut [i16]) {
    decode(&ULAW_DECODE, bytes, samples);
}

/// Encodes µ-law: one byte per sample, as many as the shorter of the two holds.
pub fn encode_ulaw(samples: &[i16], bytes: &mut [u8]) {
    for (byte, &sample) in bytes.iter_mut().zip(samples) {
        *byte = ULAW_ENCODE[usize::from(sample as u16 >> ULAW_SHIFT)];
    }
}

/// Decodes A-law: one sample per byte, as many as the shorter of the two holds.
pub fn decode_alaw(bytes: &[u8], samples: &mut [i16]) {
    decode(&ALAW_DECODE, bytes, samples);
}

/// Encodes A-law: one byte per sample, as many as the shorter of the two holds.
pub fn encode_alaw(samples: &[i16], bytes: &mut [u8]) {
    for (byte, &sample) in bytes.iter_mut().zip(samples) {
        *byte = ALAW_ENCODE[usize::from(sample as u16 >> ALAW_SHIFT)];
    }
}

/// Decodes a chunk of µ-law of any length and appends it to `samples`.
pub fn append_ulaw(bytes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(bytes.iter().map(|&byte| ULAW_DECODE[usize::from(byte)]));
}

/// Decodes a chunk of A-law of any length and appends it to `samples`.
pub fn append_alaw(bytes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(bytes.iter().map(|&byte| ALAW_DECODE[usize::from(byte)]));
}

impl PcmFrame<Hz8k> {
    /// The frame that 160 bytes of µ-law stand for.
    pub fn from_ulaw(bytes: &[u8; 160]) -> Self {
        let mut frame = Self::silence();
        decode_ulaw(bytes, frame.samples_mut());
        frame
    }

    /// The frame as 160 bytes of µ-law.
    pub fn to_ulaw(&self) -> [u8; 160] {
        let mut bytes = [ULAW_SILENCE; 160];
        encode_ulaw(self.samples(), &mut bytes);
        bytes
    }

    /// The frame that 160 bytes of A-law stand for.
    pub fn from_alaw(bytes: &[u8; 160]) -> Self {
        let mut frame = Self::silence();
        decode_alaw(bytes, frame.samples_mut());
        frame
    }

    /// The frame as 160 bytes of A-law.
    pub fn to_alaw(&self) -> [u8; 160] {
        let mut bytes = [ALAW_SILENCE; 160];
        encode_alaw(self.samples(), &mut bytes);
        bytes
    }
}

fn decode(table: &[i16; 256], bytes: &[u8], samples: &mut [i16]) {
    for (sample, &byte) in samples.iter_mut().zip(bytes) {
        *sample = table[usize::from(byte)];
    }
}

/// µ-law is defined on 14 bits, A-law on 13: the rest of a 16-bit sample does not matter.
const ULAW_SHIFT: u32 = 2;
const ALAW_SHIFT: u32 = 3;
/// What µ-law adds to a magnitude so that every segment begins at a power of two, on the 14-bit scale.
const ULAW_BIAS: i32 = 33;

static ULAW_DECODE: [i16; 256] = ulaw_decode_table();
static ALAW_DECODE: [i16; 256] = alaw_decode_table();
static ULAW_ENCODE: [u8; 1 << 14] = ulaw_encode_table();
static ALAW_ENCODE: [u8; 1 << 13] = alaw_encode_table();

const fn ulaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let (segment, step) = ((bits >> 4 & 7) as u32, (bits & 15) as i32);
        let magnitude = (((2 * step + ULAW_BIAS) << segment) - ULAW_BIAS) << ULAW_SHIFT;
        table[code] = if bits & 0x80 == 0 { magnitude } else { -magnitude } as i16;
        code += 1;
    }
    table
}

const fn alaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ ALAW_SILENCE;
        let (segment, step) = ((bits >> 4 & 7) as u32, (bits & 15) as i32);
        let magnitude = if segment == 0 { 2 * step + 1 } else { (2 * step + 33) << (segment - 1) } << ALAW_SHIFT;
        table[code] = if bits & 0x80 == 0 { magnitude } else { -magnitude } as i16;
        code += 1;
    }
    table
}

const fn ulaw_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        let (sign, magnitude) = sign_and_magnitude(index as i32, 1 << 14);
        let biased = if magnitude + ULAW_BIAS > 0x1FFF { 0x1FFF } else { magnitude + ULAW_BIAS };
        // The bias makes bit 5 the lowest that can lead.
        let segment = 26 - biased.leading_zeros();
        table[index] = !(sign | (segment as u8) << 4 | (biased >> (segment + 1) & 15) as u8);
        index += 1;
    }
    table
}

const fn alaw_encode_table() -> [u8; 1 << 13] {
    let mut table = [0; 1 << 13];
    let mut index = 0;
    while index < table.len() {
        let (sign, magnitude) = sign_and_magnitude(index as i32, 1 << 13);
        let bits = if magnitude < 32 {
            magnitude >> 1
        } else {
            let segment = 27 - magnitude.leading_zeros() as i32;
            segment << 4 | magnitude >> segment & 15
        };
        table[index] = (sign | bits as u8) ^ ALAW_SILENCE;
        index += 1;
    }
    table
}

/// Splits a table index, which is the sample's upper bits in two's complement. Negative intervals mirror the
/// positive ones, hence the one's complement.
const fn sign_and_magnitude(index: i32, range: i32) -> (u8, i32) {
    if index < range / 2 { (0, index) } else { (0x80, range - 1 - index) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ulaw_code_stands_for_the_value_in_the_recommendation() {
        check_codes(&Law::ulaw(), decode_ulaw);
    }

    #[test]
    fn every_alaw_code_stands_for_the_value_in_the_recommendation() {
        check_codes(&Law::alaw(), decode_alaw);
    }

    #[test]
    fn every_sample_gets_the_ulaw_code_of_its_interval() {
        check_samples(&Law::ulaw(), encode_ulaw);
    }

    #[test]
    fn every_sample_gets_the_alaw_code_of_its_interval() {
        check_samples(&Law::alaw(), encode_alaw);
    }

    #[test]
    fn a_sample_comes_back_within_one_step() {
        for (law, encode, decode) in [
            (Law::ulaw(), encode_ulaw as fn(&[i16], &mut [u8]), decode_ulaw as fn(&[u8], &mut [i16])),
            (Law::alaw(), encode_alaw, decode_alaw),
        ] {
            for sample in i16::MIN..=i16::MAX {
                let (mut byte, mut back) = ([0], [0]);
                encode(&[sample], &mut byte);
                decode(&byte, &mut back);
                let step = law.step_at(sample);
                assert!((i32::from(back[0]) - i32::from(sample)).abs() <= step, "{sample} came back as {}", back[0]);
            }
        }
    }

    #[test]
    fn silence_is_ff_and_d5() {
        assert_eq!(PcmFrame::<Hz8k>::silence().to_ulaw(), [0xFF; 160]);
        assert_eq!(PcmFrame::<Hz8k>::silence().to_alaw(), [0xD5; 160]);
        assert_eq!(PcmFrame::<Hz8k>::from_ulaw(&[0xFF; 160]), PcmFrame::silence());
        assert_eq!(PcmFrame::<Hz8k>::from_alaw(&[0xD5; 160]).samples(), [8; 160], "A-law has no zero");
    }

    #[test]
    fn a_decoded_byte_is_encoded_as_itself() {
        for code in 0..=255u8 {
            let frame = PcmFrame::<Hz8k>::from_alaw(&[code; 160]);
            assert_eq!(frame.to_alaw(), [code; 160]);
            // µ-law has two zeros, and both come back as the positive one.
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(PcmFrame::<Hz8k>::from_ulaw(&[code; 160]).to_ulaw(), [expected; 160]);
        }
    }

    #[test]
    fn lengths_that_differ_lose_nothing_else() {
        let mut samples = [7; 3];
        decode_ulaw(&[0xFF], &mut samples);
        assert_eq!(samples, [0, 7, 7]);
        let mut appended = vec![1];
        append_ulaw(&[0xFF, 0x80], &mut appended);
        append_alaw(&[0xD5], &mut appended);
        assert_eq!(appended, [1, 0, 32_124, 8]);
    }

    /// A law as the Recommendation prints it: decision values x(0) … x(128) of the positive side.
    struct Law {
        decisions: Vec<i32>,
        /// How many bits of a 16-bit sample lie below the law's scale.
        shift: u32,
        /// The bits that are inverted on the line, for a positive sample.
        inverted: u8,
        /// y(0), where it is not the middle of its interval.
        first_output: Option<i32>,
    }

    impl Law {
        /// Table 2a: x(1) = 1, then 15 steps of 2, then 16 steps of 4, of 8, … of 256; y(0) = 0.
        fn ulaw() -> Self {
            let mut decisions = vec![0, 1];
            advance(&mut decisions, 15, 2);
            for (segment, end) in [95, 223, 479, 991, 2015, 4063, 8159].into_iter().enumerate() {
                advance(&mut decisions, 16, 4 << segment);
                assert_eq!(decisions.last(), Some(&end), "as printed");
            }
            Self { decisions, shift: 2, inverted: 0xFF, first_output: Some(0) }
        }

        /// Table 1a: 32 steps of 2, then 16 steps of 4, of 8, … of 128; all outputs in the middle.
        fn alaw() -> Self {
            let mut decisions = vec![0];
            advance(&mut decisions, 32, 2);
            for (segment, end) in [128, 256, 512, 1024, 2048, 4096].into_iter().enumerate() {
                advance(&mut decisions, 16, 4 << segment);
                assert_eq!(decisions.last(), Some(&end), "as printed");
            }
            Self { decisions, shift: 3, inverted: 0xD5, first_output: None }
        }

        fn interval(&self, sample: i16) -> usize {
            // Negative intervals are the mirror of the positive ones.
            let magnitude = i32::from(if sample < 0 { !sample } else { sample }) >> self.shift;
            (self.decisions.partition_point(|&x| x <= magnitude) - 1).min(127)
        }

        fn output(&self, interval: usize) -> i32 {
            let middle = (self.decisions[interval] + self.decisions[interval + 1]) / 2;
            (if interval == 0 { self.first_output.unwrap_or(middle) } else { middle }) << self.shift
        }

        fn step_at(&self, sample: i16) -> i32 {
            let interval = self.interval(sample);
            (self.decisions[interval + 1] - self.decisions[interval]) << self.shift
        }
    }

    fn advance(decisions: &mut Vec<i32>, steps: usize, step: i32) {
        for _ in 0..steps {
            decisions.push(decisions[decisions.len() - 1] + step);
        }
    }

    fn check_codes(law: &Law, decode: fn(&[u8], &mut [i16])) {
        for interval in 0..128 {
            let (positive, negative) = (interval as u8 ^ law.inverted, interval as u8 ^ law.inverted ^ 0x80);
            let mut samples = [0; 2];
            decode(&[positive, negative], &mut samples);
            let value = law.output(interval);
            assert_eq!(samples.map(i32::from), [value, -value], "interval {interval}");
        }
    }

    fn check_samples(law: &Law, encode: fn(&[i16], &mut [u8])) {
        for sample in i16::MIN..=i16::MAX {
            let sign = if sample < 0 { 0x80 } else { 0 };
            let mut byte = [0];
            encode(&[sample], &mut byte);
            assert_eq!(byte[0], law.interval(sample) as u8 ^ sign ^ law.inverted, "sample {sample}");
        }
    }
}
