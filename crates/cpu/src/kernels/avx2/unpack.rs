//! Unpacks packed values to bytes, and converts the small float types to f32.

use std::arch::x86_64::*;

use super::super::weight::FP4_CODES;

/// Number of values that are unpacked at a time.
pub(in super::super) const CHUNK: usize = 32;

/// Mapping from the bytes of a chunk to its values, for widths that don't divide a byte evenly (and
/// for 2, which is done the same way).
///
/// Each 16-bit lane gets the two bytes that contain its value, a multiplication moves the value to
/// the upper end of the lane, and a shift moves it down to the lower end.
struct Layout<const BITS: usize>;

impl<const BITS: usize> Layout<BITS> {
    /// Offset in the chunk at which the upper 128-bit half is loaded: as late as its values allow,
    /// so that nothing after the chunk is read.
    const UPPER_AT: usize = match BITS {
        2 => 0,
        3 => 4,
        _ => 4 * BITS - 16,
    };
    /// Bytes for values 0–7 and 16–23, then for 8–15 and 24–31.
    const SHUFFLES: [[u8; 32]; 2] = [Self::shuffle(0), Self::shuffle(1)];
    const FACTORS: [u16; 16] = {
        let mut factors = [0; 16];
        let mut lane = 0;
        while lane < 16 {
            factors[lane] = 1 << (16 - BITS - lane * BITS % 8);
            lane += 1;
        }
        factors
    };

    /// Returns the shuffle for the bytes of values `8 · first..` in the lower half and `8 · (first
    /// + 2)..` in the upper half.
    const fn shuffle(first: usize) -> [u8; 32] {
        let mut shuffle = [0; 32];
        let mut lane = 0;
        while lane < 16 {
            // Eight values take `BITS` bytes.
            let upper = lane / 8;
            let start = (first + 2 * upper) * BITS - upper * Self::UPPER_AT;
            let bit = lane % 8 * BITS;
            let byte = (start + bit / 8) as u8;
            shuffle[2 * lane] = byte;
            // The sign bit makes a zero, if the value ends in its first byte.
            shuffle[2 * lane + 1] = if bit % 8 + BITS > 8 { byte + 1 } else { 0x80 };
            lane += 1;
        }
        shuffle
    }
}

/// Returns the 32 values of a chunk, in order.
///
/// # Safety
/// The processor must have AVX2. `4 · BITS` bytes exist at `from`, and no more are read.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn chunk<const BITS: usize>(from: *const u8) -> __m256i {
    // SAFETY: by the caller's promise. Loads end with the chunk, which has at least 16 bytes from 4
    // bits on, 12 for 3 bits and 8 for 2.
    unsafe {
        let upper = from.add(Layout::<BITS>::UPPER_AT);
        let bytes = match BITS {
            2 => _mm256_set1_epi64x(from.cast::<i64>().read_unaligned()),
            3 => _mm256_set_m128i(_mm_loadl_epi64(upper.cast()), _mm_loadl_epi64(from.cast())),
            4 => {
                let packed = _mm_loadu_si128(from.cast());
                let (even, odd) = (low_nibbles(packed), low_nibbles(_mm_srli_epi16::<4>(packed)));
                let (first, second) = (_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd));
                return _mm256_set_m128i(second, first);
            }
            8 => return _mm256_loadu_si256(from.cast()),
            _ => _mm256_set_m128i(_mm_loadu_si128(upper.cast()), _mm_loadu_si128(from.cast())),
        };
        let factors = _mm256_loadu_si256(Layout::<BITS>::FACTORS.as_ptr().cast());
        let down = _mm_cvtsi32_si128(16 - BITS as i32);
        let values = |shuffle: &[u8; 32]| {
            let pairs = _mm256_shuffle_epi8(bytes, _mm256_loadu_si256(shuffle.as_ptr().cast()));
            _mm256_srl_epi16(_mm256_mullo_epi16(pairs, factors), down)
        };
        let [first, second] = &Layout::<BITS>::SHUFFLES;
        _mm256_packus_epi16(values(first), values(second))
    }
}

/// Returns the lower four bits of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn low_nibbles(bytes: __m128i) -> __m128i {
    _mm_and_si128(bytes, _mm_set1_epi8(15))
}

/// Returns the lower and the upper four bits of each byte, the values of even and of odd columns.
/// E2M1 values are returned as codes.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn nibbles<const FP4: bool>(packed: __m256i) -> (__m256i, __m256i) {
    let low = _mm256_set1_epi8(15);
    let even = _mm256_and_si256(packed, low);
    let odd = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), low);
    if FP4 { (fp4_codes(even), fp4_codes(odd)) } else { (even, odd) }
}

/// Returns the codes of E2M1 values, one per byte.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn fp4_codes(values: __m256i) -> __m256i {
    // SAFETY: the table has sixteen bytes.
    let codes = unsafe { _mm_loadu_si128(FP4_CODES.as_ptr().cast()) };
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(codes), values)
}

/// Returns eight E4M3 values, one per 16-bit lane, as f32.
///
/// An E4M3 value moved to the fields of an f16 is 256 times too small, also if it is subnormal,
/// because f16 has the wider exponent. Only NaN needs special treatment.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(in super::super) fn e4m3(bytes: __m128i) -> __m256 {
    let magnitude = _mm_and_si128(bytes, _mm_set1_epi16(0x7f));
    let sign = _mm_slli_epi16::<8>(_mm_and_si128(bytes, _mm_set1_epi16(0x80)));
    let nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7f));
    let nan = _mm_and_si128(nan, _mm_set1_epi16(0x7e00));
    let half = _mm_or_si128(_mm_or_si128(sign, nan), _mm_slli_epi16::<7>(magnitude));
    _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256.0))
}

/// Returns eight E8M0 values, one per 32-bit lane, as f32.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn e8m0(bytes: __m256i) -> __m256 {
    let power = _mm256_slli_epi32::<23>(bytes);
    // 2^-127 is subnormal. 255 is NaN, but as an exponent alone it would be infinity.
    let zero = _mm256_cmpeq_epi32(bytes, _mm256_setzero_si256());
    let nan = _mm256_cmpeq_epi32(bytes, _mm256_set1_epi32(255));
    let special = _mm256_or_si256(zero, nan);
    let special = _mm256_and_si256(special, _mm256_set1_epi32(0x0040_0000));
    _mm256_castsi256_ps(_mm256_or_si256(power, special))
}
