//! Parsers of option values. What they refuse ends the command with exit code 2 and the name of the
//! option as it was typed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use mlxk_router::{Measure, Policy};

/// Parses a whole number within `range`.
pub(crate) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match *range.end() {
            u64::MAX => format!("must be a whole number, {} or more", range.start()),
            end => format!("must be a whole number from {} to {end}", range.start()),
        })
    }
}

/// Parses a number within `range`.
pub(crate) fn number(range: RangeInclusive<f32>) -> impl Fn(&str) -> Result<f32, String> + Clone {
    move |text| {
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
    }
}

/// Parses a number of tokens to answer with; -1 and -2 mean no limit, as in Ollama.
pub(crate) fn tokens(text: &str) -> Result<usize, String> {
    match text.trim() {
        "-1" | "-2" => Ok(usize::MAX),
        text => {
            whole(1..=u64::MAX)(text).map_err(|problem| format!("{problem}, or -1 for no limit"))
        }
    }
}

/// Parses a number of tokens to look back at; -1 means all of them.
pub(crate) fn look_back(text: &str) -> Result<i64, String> {
    let number = text.trim().parse().ok().filter(|&number| number >= -1);
    number.ok_or_else(|| "must be a whole number, or -1 for all tokens".to_owned())
}

/// Takes any text but the empty one.
pub(crate) fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Takes the origin of web pages, or `*`.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    if mlxk_server::is_origin(text) {
        return Ok(text.to_owned());
    }
    Err("must be an origin such as `https://app.example`, without a path, or `*`".to_owned())
}

/// The policies that [`policy`] knows, to follow "must be".
pub(crate) const POLICIES: &str = "`fastest`, `local-first`, `cheapest-price` or `cheapest-energy`";

/// Parses a rule that chooses an engine. The memory of other programs is not known here, and `--engine` names one.
pub(crate) fn policy(text: &str) -> Result<Policy, String> {
    let is_known =
        |policy: &Policy| !matches!(policy, Policy::Fixed(_) | Policy::Cheapest(Measure::Memory));
    let policy = text.trim().parse().ok().filter(is_known);
    policy.ok_or_else(|| format!("must be {POLICIES}"))
}

/// Parses numbers of engines, `ENGINE=NUMBER ENGINE=NUMBER`. An engine's name may have an equals sign itself.
pub(crate) fn costs(text: &str) -> Option<Vec<(String, f64)>> {
    let cost = |part: &str| {
        let (engine, number) = part.rsplit_once('=')?;
        let number: f64 = number.parse().ok()?;
        (!engine.is_empty() && number.is_finite() && number >= 0.0)
            .then(|| (engine.to_owned(), number))
    };
    text.split_whitespace().map(cost).collect()
}

/// Parses a share of a speed, as `--fail-below` takes it.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = text.trim().parse().ok().filter(|share| (0.0..=10.0).contains(share));
    share.ok_or_else(|| "must be a ratio from 0 to 10, as in `0.95`".to_owned())
}

/// Takes one of `allowed`.
pub(crate) fn one_of<T, const N: usize>(
    allowed: [T; N],
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: Copy + PartialEq + FromStr + Display + Send + Sync + 'static,
{
    move |text| {
        let value = text.trim().parse().ok().filter(|value| allowed.contains(value));
        value.ok_or_else(|| {
            let names = allowed.map(|value| value.to_string());
            let (last, others) = names.split_last().map_or(("", &names[..]), |(l, o)| (l, o));
            format!("must be {} or {last}", others.join(", "))
        })
    }
}

/// Parses a size: `12GB`, `12GiB`, `800M` or a number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "must be a size such as `12GB` or `800MB`".to_owned();
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let factor = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(wrong()),
    };
    let bytes = number * factor;
    if (1.0..9e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, expected) in
            [("12GB", 12_000_000_000), ("1.5 GiB", 1_610_612_736), ("800m", 800_000_000), ("7", 7)]
        {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "GB", "-1GB", "12 things", "0", "1e9"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert_eq!(whole::<u8>(1..=64)("64"), Ok(64));
        assert_eq!(whole::<u8>(1..=64)("65").unwrap_err(), "must be a whole number from 1 to 64");
        assert_eq!(
            whole::<usize>(2..=u64::MAX)("1").unwrap_err(),
            "must be a whole number, 2 or more"
        );
        assert_eq!(number(0.0..=1.0)("0.5"), Ok(0.5));
        for text in ["1.5", "-1", "nan", "inf", "hot", ""] {
            assert_eq!(number(0.0..=1.0)(text).unwrap_err(), "must be a number from 0 to 1");
        }
        assert_eq!((look_back("-1"), look_back("64")), (Ok(-1), Ok(64)));
        assert!(look_back("-2").is_err() && not_empty("").is_err());
        assert_eq!(one_of([2, 3, 8])("3"), Ok(3));
        assert_eq!(one_of([2, 3, 8])("7").unwrap_err(), "must be 2, 3 or 8");
    }
}
