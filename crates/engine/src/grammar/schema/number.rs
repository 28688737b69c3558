//! Keywords of numbers.

use serde_json::{Map, Number, Value, json};

use super::bounds::{MAX_DIVISOR, MAX_DIVISOR_SCALE};
use super::pass::Pass;
use super::place::{Place, Problem};

/// Largest whole number of 64 bits that is exact as a floating-point number.
const MAX_WHOLE: f64 = 9_223_372_036_854_774_784.0;
/// Largest bound of other numbers.
const MAX_NUMBER: f64 = 1e18;
/// No number of an answer is larger, because its digits are limited ([`crate::grammar::numbers`]).
const BEYOND_ALL: f64 = 1e200;
/// Smallest bound that is not zero.
const MIN_NUMBER: f64 = 1e-20;

/// One end of a range.
#[derive(Clone, Copy, Debug)]
struct End {
    value: f64,
    is_exclusive: bool,
}

impl Pass<'_> {
    /// Adds the bounds of numbers to `out`, the tighter of two, inside the range that the library computes with.
    pub(super) fn number_keywords(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        is_whole: bool,
        place: &Place<'_>,
    ) -> Result<(), Problem> {
        let least = end(schema, "minimum", "exclusiveMinimum", 1.0, place)?;
        let most = end(schema, "maximum", "exclusiveMaximum", -1.0, place)?;
        let beyond = |end: &End, sign: f64| !is_whole && end.value * sign <= -BEYOND_ALL;
        let least = least.filter(|least| !beyond(least, 1.0));
        let most = most.filter(|most| !beyond(most, -1.0));
        let limit = if is_whole { MAX_WHOLE } else { MAX_NUMBER };
        let mut ends = [
            (least, "minimum", "exclusiveMinimum", 1.0),
            (most, "maximum", "exclusiveMaximum", -1.0),
        ];
        for (end, name, _, sign) in &mut ends {
            if let Some(end) = end {
                *end = inside(*end, *sign, limit).ok_or(()).or_else(|()| {
                    place.key(name).refuse("is beyond the numbers that can be enforced")
                })?;
            }
        }
        // A whole number that is unbounded on the far side of a large bound has too many digits.
        if is_whole {
            let ([(least, ..), (most, ..)], far) = (ends, 1e17);
            if most.is_none() && least.is_some_and(|least| least.value >= far) {
                ends[1].0 = Some(End { value: MAX_WHOLE, is_exclusive: false });
            }
            if least.is_none() && most.is_some_and(|most| most.value <= -far) {
                ends[0].0 = Some(End { value: -MAX_WHOLE, is_exclusive: false });
            }
        }
        for (end, inclusive, exclusive, _) in ends {
            if let Some(End { value, is_exclusive }) = end {
                let name = if is_exclusive { exclusive } else { inclusive };
                out.insert(name.to_owned(), number(value));
            }
        }
        self.divisor(schema, out, place)
    }

    fn divisor(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<(), Problem> {
        let Some(value) = schema.get("multipleOf") else { return Ok(()) };
        let place = place.key("multipleOf");
        let Some(divisor) = value.as_f64().filter(|divisor| *divisor > 0.0) else {
            return place.refuse("must be a number above 0");
        };
        let Some((coefficient, scale)) = decimal(divisor) else {
            return place.refuse(format!(
                "has too many digits: up to {MAX_DIVISOR} units of the last digit, and \
                 {MAX_DIVISOR_SCALE} digits after the point are supported"
            ));
        };
        self.divisors.insert((coefficient, scale));
        out.insert("multipleOf".to_owned(), number(divisor));
        Ok(())
    }
}

/// Returns a number as its digits and the number of them after the point, if that is within bounds and the
/// library, which multiplies by ten, finds the same.
fn decimal(number: f64) -> Option<(u32, u32)> {
    let (mut scaled, mut scale) = (number, 0);
    while scaled.fract() != 0.0 {
        if scale == MAX_DIVISOR_SCALE {
            return None;
        }
        scaled *= 10.0;
        scale += 1;
    }
    let is_exact = format!("{number}").parse() == Ok(scaled / 10_f64.powi(scale.cast_signed()));
    (is_exact && scaled <= f64::from(MAX_DIVISOR)).then_some((scaled as u32, scale))
}

/// Returns `true` if a number can be a multiple of all these divisors in the library's arithmetic of 32 bits.
pub(super) fn have_common_multiple(divisors: impl IntoIterator<Item = (u32, u32)> + Clone) -> bool {
    let scale = divisors.clone().into_iter().map(|(_, scale)| scale).max().unwrap_or(0);
    let scaled = divisors.into_iter().map(|(digits, own)| {
        10_u32.checked_pow(scale - own).and_then(|factor| digits.checked_mul(factor))
    });
    scaled.into_iter().try_fold(1_u32, |product, factor| product.checked_mul(factor?)).is_some()
}

/// Reads one end of a range. `sign` is 1 for the lower one. In draft 4, the exclusive keyword is `true` or `false`.
fn end(
    schema: &Map<String, Value>,
    inclusive: &str,
    exclusive: &str,
    sign: f64,
    place: &Place<'_>,
) -> Result<Option<End>, Problem> {
    let number = |name: &str, value: &Value| match value.as_f64() {
        Some(value) => Ok(Some(value)),
        None => place.key(name).refuse("must be a number"),
    };
    let bound = schema.get(inclusive).map_or(Ok(None), |value| number(inclusive, value))?;
    let (is_exclusive, other) = match schema.get(exclusive) {
        None | Some(Value::Null) => (false, None),
        Some(Value::Bool(is_exclusive)) => (*is_exclusive, None),
        Some(value) => (false, number(exclusive, value)?),
    };
    let bound = bound.map(|value| End { value, is_exclusive });
    let other = other.map(|value| End { value, is_exclusive: true });
    Ok(match (bound, other) {
        (Some(bound), Some(other)) if bound.value * sign > other.value * sign => Some(bound),
        (bound, other) => other.or(bound),
    })
}

/// Moves an end into the range of numbers that are enforced, and never outwards. Returns `None` if nothing is left.
fn inside(end: End, sign: f64, limit: f64) -> Option<End> {
    let End { value, .. } = end;
    let moved = |value: f64| Some(End { value, is_exclusive: false });
    // The direction into the range.
    let inwards = value * sign;
    if inwards < -limit {
        return moved(-limit * sign);
    }
    if inwards > limit {
        return None;
    }
    if value != 0.0 && value.abs() < MIN_NUMBER {
        return if inwards > 0.0 { moved(MIN_NUMBER * sign) } else { moved(0.0) };
    }
    Some(end)
}

/// Writes a whole number without a point.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < MAX_WHOLE {
        return Value::Number(Number::from(value as i64));
    }
    json!(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_are_read_as_the_library_reads_them() {
        assert_eq!(decimal(0.01), Some((1, 2)));
        assert_eq!(decimal(0.0001), Some((1, 4)));
        assert_eq!(decimal(2.5), Some((25, 1)));
        assert_eq!(decimal(1000.0), Some((1000, 0)));
        for divisor in [99_999_989.0, 999_983.0, 1e-9, 1e300, 1.0 / 3.0] {
            assert_eq!(decimal(divisor), None, "{divisor}");
        }
        assert!(have_common_multiple([(7, 0), (25, 1)]));
        assert!(!have_common_multiple([(997, 0), (991, 3), (983, 6)]));
    }

    #[test]
    fn ends_move_inwards_only() {
        let inside = |value, sign| {
            inside(End { value, is_exclusive: true }, sign, MAX_NUMBER).map(|end| end.value)
        };
        assert_eq!(inside(-1e300, 1.0), Some(-1e18));
        assert_eq!(inside(1e300, -1.0), Some(1e18));
        assert_eq!(inside(1e300, 1.0), None);
        assert_eq!(inside(5e-324, 1.0), Some(1e-20));
        assert_eq!(inside(5e-324, -1.0), Some(0.0));
        assert_eq!(inside(-5e-324, 1.0), Some(0.0));
        assert_eq!(inside(0.25, 1.0), Some(0.25));
    }
}
