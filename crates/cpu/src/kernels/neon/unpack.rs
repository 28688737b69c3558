//! Unpacks packed values to bytes, and converts the small float types to f32.

use std::arch::aarch64::*;

use super::super::weight::FP4_CODES;

/// Number of values that are unpacked at a time.
pub(super) const CHUNK: usize = 32;

/// Mapping from the bytes of a chunk to its values, for widths that don't divide a byte evenly (and
/// for 2, which is done the same way).
///
/// Each lane gets the byte in which its value begins, shifted down, and the next byte, shifted up,
/// if the value ends there.
struct Layout<const BITS: usize>;

impl<const BITS: usize> Layout<BITS> {
    /// Offset in the chunk at which the bytes of its upper half are loaded: as late as its values
    /// allow, so that nothing after the chunk is read.
    const UPPER_AT: usize = match BITS {
        2 => 0,
        3 => 4,
        _ => 4 * BITS - 16,
    };
    /// The bytes in which the values of the lower and of the upper half begin.
    const FIRST: [[u8; 16]; 2] = [Self::bytes(0, false), Self::bytes(1, false)];
    /// The bytes in which the values end. If that is the first byte, the index is out of range and
    /// yields zero.
    const SECOND: [[u8; 16]; 2] = [Self::bytes(0, true), Self::bytes(1, true)];
    /// Shift of each lane of the first bytes, and of the second ones.
    const SHIFTS: [[i8; 16]; 2] = {
        let mut shifts = [[0; 16]; 2];
        let mut lane = 0;
        while lane < 16 {
            let bit = (lane * BITS % 8) as i8;
            shifts[0][lane] = -bit;
            shifts[1][lane] = 8 - bit;
            lane += 1;
        }
        shifts
    };

    const fn bytes(half: usize, second: bool) -> [u8; 16] {
        let mut bytes = [0; 16];
        let mut lane = 0;
        while lane < 16 {
            let bit = lane * BITS;
            let first = (half * (2 * BITS - Self::UPPER_AT) + bit / 8) as u8;
            bytes[lane] = match second {
                false => first,
                true if bit % 8 + BITS > 8 => first + 1,
                true => 0xff,
            };
            lane += 1;
        }
        bytes
    }

    /// Returns the sixteen values of a half from the bytes loaded for it.
    #[inline]
    #[target_feature(enable = "neon")]
    fn values(bytes: uint8x16_t, half: usize) -> uint8x16_t {
        let mask = vdupq_n_u8((1 << BITS) - 1);
        // SAFETY: sixteen bytes lie in each table.
        unsafe {
            let first = vqtbl1q_u8(bytes, vld1q_u8(Self::FIRST[half].as_ptr()));
            let first = vshlq_u8(first, vld1q_s8(Self::SHIFTS[0].as_ptr()));
            if 8 % BITS == 0 {
                return vandq_u8(first, mask);
            }
            let second = vqtbl1q_u8(bytes, vld1q_u8(Self::SECOND[half].as_ptr()));
            let second = vshlq_u8(second, vld1q_s8(Self::SHIFTS[1].as_ptr()));
            vandq_u8(vorrq_u8(first, second), mask)
        }
    }
}

/// Returns the 32 values of a chunk, in order.
///
/// # Safety
/// `4 · BITS` bytes exist at `from`, and no more are read.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn chunk<const BITS: usize>(from: *const u8) -> [uint8x16_t; 2] {
    // SAFETY: by the caller's promise. Loads end with the chunk, which has at least 16 bytes from 4
    // bits on, 12 for 3 bits and 8 for 2.
    unsafe {
        let upper = from.add(Layout::<BITS>::UPPER_AT);
        let [lower, upper] = match BITS {
            2 | 3 => {
                let eight = |from| {
                    let eight = vld1_u8(from);
                    vcombine_u8(eight, eight)
                };
                [eight(from), eight(upper)]
            }
            4 => {
                let (even, odd) = nibbles(vld1q_u8(from));
                return [vzip1q_u8(even, odd), vzip2q_u8(even, odd)];
            }
            8 => return [vld1q_u8(from), vld1q_u8(upper)],
            _ => [vld1q_u8(from), vld1q_u8(upper)],
        };
        [Layout::<BITS>::values(lower, 0), Layout::<BITS>::values(upper, 1)]
    }
}

/// Returns the codes of a span in the order of the activations, as signed bytes. Codes of eight
/// bits are too small by 128. A span has `BLOCKS` activation blocks.
///
/// # Safety
/// `8 · BITS` bytes exist at `from`, and no more are read.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn codes<const BITS: usize, const FP4: bool, const BLOCKS: usize>(
    from: *const u8,
) -> [int8x16_t; 4] {
    // SAFETY: by the caller's promise.
    unsafe {
        if BITS == 4 {
            let (even, odd) = nibbles(vld1q_u8(from));
            let (more_even, more_odd) = nibbles(vld1q_u8(from.add(16)));
            let code =
                |nibbles| vreinterpretq_s8_u8(if FP4 { fp4_codes(nibbles) } else { nibbles });
            let codes = [code(even), code(odd), code(more_even), code(more_odd)];
            return if BLOCKS == 4 { eights(codes) } else { codes };
        }
        let ([a, b], [c, d]) = (chunk::<BITS>(from), chunk::<BITS>(from.add(4 * BITS)));
        let sign = vdupq_n_u8(if BITS == 8 { 0x80 } else { 0 });
        let signed = |codes| vreinterpretq_s8_u8(veorq_u8(codes, sign));
        [signed(a), signed(b), signed(c), signed(d)]
    }
}

/// Reorders even and odd columns for blocks of 16, which take eight bytes of each.
#[inline]
#[target_feature(enable = "neon")]
fn eights([even, odd, more_even, more_odd]: [int8x16_t; 4]) -> [int8x16_t; 4] {
    let zip = |even, odd| {
        let (even, odd) = (vreinterpretq_s64_s8(even), vreinterpretq_s64_s8(odd));
        let (first, second) = (vzip1q_s64(even, odd), vzip2q_s64(even, odd));
        (vreinterpretq_s8_s64(first), vreinterpretq_s8_s64(second))
    };
    let ((a, b), (c, d)) = (zip(even, odd), zip(more_even, more_odd));
    [a, b, c, d]
}

/// Returns the lower and the upper four bits of each byte, the values of even and of odd columns.
#[inline]
#[target_feature(enable = "neon")]
fn nibbles(packed: uint8x16_t) -> (uint8x16_t, uint8x16_t) {
    (vandq_u8(packed, vdupq_n_u8(15)), vshrq_n_u8::<4>(packed))
}

/// Returns the codes of E2M1 values, one per byte.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn fp4_codes(values: uint8x16_t) -> uint8x16_t {
    // SAFETY: the table has sixteen bytes.
    vqtbl1q_u8(unsafe { vld1q_u8(FP4_CODES.as_ptr()) }, values)
}

/// Returns four E4M3 values as f32.
///
/// An E4M3 value moved to the fields of an f16 is 256 times too small, also if it is subnormal,
/// because f16 has the wider exponent. Only NaN needs special treatment.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn e4m3(bytes: uint16x4_t) -> float32x4_t {
    let magnitude = vand_u16(bytes, vdup_n_u16(0x7f));
    let sign = vshl_n_u16::<8>(vand_u16(bytes, vdup_n_u16(0x80)));
    let nan = vand_u16(vceq_u16(magnitude, vdup_n_u16(0x7f)), vdup_n_u16(0x7e00));
    let half = vorr_u16(vorr_u16(sign, nan), vshl_n_u16::<7>(magnitude));
    vmulq_n_f32(vcvt_f32_f16(vreinterpret_f16_u16(half)), 256.0)
}

/// Returns four E8M0 values as f32.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn e8m0(bytes: uint32x4_t) -> float32x4_t {
    let power = vshlq_n_u32::<23>(bytes);
    // 2^-127 is subnormal. 255 is NaN, but as an exponent alone it would be infinity.
    let special = vorrq_u32(vceqzq_u32(bytes), vceqq_u32(bytes, vdupq_n_u32(255)));
    let special = vandq_u32(special, vdupq_n_u32(0x0040_0000));
    vreinterpretq_f32_u32(vorrq_u32(power, special))
}
