//! Clock that templates can read.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use minijinja::{Error, ErrorKind, Value};

/// Clock behind `strftime_now`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The time of this machine in its own time zone.
    #[default]
    Local,
    /// A fixed moment, for reproducible output.
    Fixed {
        /// Seconds since 1970 in UTC.
        unix_seconds: i64,
        /// Seconds by which local time is ahead of UTC.
        offset_seconds: i32,
    },
}

impl Clock {
    fn now(self) -> Result<Zoned, jiff::Error> {
        match self {
            Self::Local => Ok(Zoned::now()),
            Self::Fixed { unix_seconds, offset_seconds } => {
                let zone = TimeZone::fixed(Offset::from_seconds(offset_seconds)?);
                Ok(Timestamp::from_second(unix_seconds)?.to_zoned(zone))
            }
        }
    }

    /// Returns the function `strftime_now(format)` for templates.
    pub(super) fn function(self) -> Value {
        Value::from_function(move |format: &str| {
            self.now()
                .and_then(|now| BrokenDownTime::from(&now).to_string(format))
                .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
        })
    }
}
