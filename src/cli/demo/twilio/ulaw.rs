//! µ-law as the carrier's own telephones do it: worked out sample by sample from ITU-T G.711, without tables.

/// The code of silence, with which a silent line is filled.
pub const SILENCE: u8 = 0xFF;
/// Bytes, and so samples, in 20 ms of telephone audio.
pub const FRAME_BYTES: usize = 160;
/// Bytes in a millisecond.
pub const BYTES_PER_MS: usize = 8;

const BIAS: i32 = 132;
const CLIP: i32 = 32_635;

/// One 16-bit sample as µ-law.
pub fn encode(sample: i16) -> u8 {
    let negative = sample < 0;
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    // The segment is the place of the highest set bit above the seventh.
    let segment = 31 - magnitude.leading_zeros() as i32 - 7;
    let step = (magnitude >> (segment + 3)) & 0x0F;
    let code = (segment << 4 | step) as u8 | if negative { 0x80 } else { 0 };
    !code
}

/// One µ-law code as a 16-bit sample.
pub fn decode(code: u8) -> i16 {
    let code = !code;
    let segment = i32::from(code >> 4 & 0x07);
    let step = i32::from(code & 0x0F);
    let magnitude = (((step << 3) + BIAS) << segment) - BIAS;
    (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// How loud it is: the root mean square of the decoded samples, 0 to 32767.
pub fn level(audio: &[u8]) -> f64 {
    if audio.is_empty() {
        return 0.0;
    }
    let energy: f64 = audio.iter().map(|code| f64::from(decode(*code)).powi(2)).sum();
    (energy / audio.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_codes_are_where_g711_puts_them() {
        let known =
            [(0xFFu8, 0i16), (0x7F, 0), (0x80, 32_124), (0x00, -32_124), (0xFE, 8), (0x8F, 16_764), (0xEF, 132)];
        for (code, sample) in known {
            assert_eq!(decode(code), sample, "{code:#04x}");
        }
        assert_eq!((encode(0), encode(i16::MAX), encode(i16::MIN)), (0xFF, 0x80, 0x00));
    }

    #[test]
    fn every_code_comes_back_but_for_the_second_zero() {
        for code in 0..=255u8 {
            let back = encode(decode(code));
            assert_eq!(back, if code == 0x7F { 0xFF } else { code });
        }
    }

    #[test]
    fn no_sample_is_further_off_than_half_a_step() {
        for sample in -CLIP as i16..=CLIP as i16 {
            let off = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            assert!(off <= (i32::from(sample).abs() + BIAS) / 32 + 1, "{sample} is off by {off}");
        }
    }
}
