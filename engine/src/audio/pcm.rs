//! Samples in their three dresses: little-endian bytes, 16-bit integers, floats from −1 to 1.

/// Signed 16-bit little-endian bytes to samples. An odd last byte is left out.
pub fn from_bytes(bytes: &[u8]) -> impl Iterator<Item = i16> + '_ {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
}

/// Samples to signed 16-bit little-endian bytes.
#[must_use]
pub fn to_bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// A 16-bit sample as a float.
#[must_use]
pub fn to_float(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

/// A float as a 16-bit sample: rounded, clipped at the ends, zero for what is no number.
#[must_use]
pub fn from_float(sample: f32) -> i16 {
    // A cast from a float saturates and makes 0 of NaN.
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_survives_the_way_there_and_back() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        assert_eq!(from_bytes(&to_bytes(&all)).collect::<Vec<_>>(), all);
        assert!(all.iter().all(|s| from_float(to_float(*s)) == *s));
    }

    #[test]
    fn what_is_too_loud_is_clipped() {
        assert_eq!([2.0, -2.0, f32::NAN, 1.0].map(from_float), [i16::MAX, i16::MIN, 0, i16::MAX]);
        assert_eq!(from_bytes(&[1, 0, 255, 255, 7]).collect::<Vec<_>>(), [1, -1]);
    }
}
