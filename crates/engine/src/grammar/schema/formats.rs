//! Formats of strings: the ones that are enforced, and patterns for those that the library takes too widely.

use serde_json::{Map, Value};

/// The dates of RFC 3339, section 5.7 and appendix C, with February 29 only in leap years. Without the year
/// 0000, which most calendars lack.
macro_rules! date {
    () => {
        concat!(
            "(?:(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(?:",
            "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|",
            "02-(?:0[1-9]|1[0-9]|2[0-8]))|",
            "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|",
            "(?:0[48]|[2468][048]|[13579][26])00)-02-29)",
        )
    };
}
/// Patterns for formats whose standard is stricter than the library. Used if the schema has no pattern.
const PATTERNS: [(&str, &str); 4] = [
    // The lengths of RFC 5321, section 4.5.3.1, and of the labels of a domain, RFC 1035, section 2.3.4.
    ("email", r"^[^@]{1,64}@([a-zA-Z0-9-]{1,63}(\.[a-zA-Z0-9-]{1,63}){0,3}|\[[0-9.]{7,15}\])$"),
    // RFC 3339, section 5.7: second 60 exists only in some minutes, so we exclude it.
    ("date-time", concat!("^", date!(), ".{7}[0-5]")),
    ("date", concat!("^", date!(), "$")),
    ("time", r"^.{6}[0-5]"),
];
/// Limit of RFC 1035, section 2.3.4, minus the root's label and the first length.
const MAX_HOSTNAME: u64 = 253;
/// Formats that the library enforces.
const ENFORCED: [&str; 10] =
    ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"];
/// Other names of a format.
const UUIDS: [&str; 6] = ["guid", "uuid1", "uuid3", "uuid4", "uuid5", "uuid7"];

/// Adds a format to the keywords of a string, with its limits. A format that is not enforced is an annotation.
pub(super) fn add(format: &str, out: &mut Map<String, Value>) {
    let format = if UUIDS.contains(&format) { "uuid" } else { format };
    if !ENFORCED.contains(&format) {
        return;
    }
    out.insert("format".to_owned(), format.into());
    if let Some((_, pattern)) = PATTERNS.iter().find(|(name, _)| *name == format) {
        out.entry("pattern").or_insert((*pattern).into());
    } else if format == "hostname" {
        out.entry("maxLength").or_insert(MAX_HOSTNAME.into());
    }
}

/// Returns the pattern of a format that the names of an object can have.
pub(super) fn pattern_of_name(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => PATTERNS[2].1,
        "ipv4" => r"^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.|$)){4}$",
        "uuid" => r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
        format if UUIDS.contains(&format) => return pattern_of_name("uuid"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = regex::Regex::new(PATTERNS[2].1).unwrap();
        let years = [0, 1, 4, 10, 96, 100, 400, 1000, 1900, 2000, 2023, 2024, 2100, 9996, 9999];
        for (year, month, day) in
            years.iter().flat_map(|y| (0..14).flat_map(move |m| (0..33).map(move |d| (*y, m, d))))
        {
            let exists = year > 0 && jiff::civil::Date::new(year, month, day).is_ok();
            let text = format!("{year:04}-{month:02}-{day:02}");
            assert_eq!(date.is_match(&text), exists, "{text}");
        }
    }

    #[test]
    fn formats_that_are_not_enforced_are_dropped() {
        let added = |format: &str| {
            let mut out = Map::new();
            add(format, &mut out);
            out.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(added("email"), ["format", "pattern"]);
        assert_eq!(added("hostname"), ["format", "maxLength"]);
        assert_eq!(added("guid"), ["format"]);
        for format in ["int32", "binary", "unknown", "idn-email", ""] {
            assert_eq!(added(format), [""; 0], "{format}");
        }
    }
}
