//! The one place that asks the operating system for the time. Domain code takes it as an argument;
//! leases and wake-ups use the database's clock instead, so that a wrong clock here moves nothing.

use chrono::{DateTime, SubsecRound as _, Utc};

/// The time now in UTC, to the microsecond: what a `datetime(6)` column can hold.
#[expect(clippy::disallowed_methods, reason = "the clock is read here and nowhere else")]
pub fn now() -> DateTime<Utc> {
    let now = Utc::now().trunc_subsecs(6);
    #[cfg(feature = "crash-points")]
    let now = now + crate::crash::skew();
    now
}

/// RFC 3339 in UTC with milliseconds and `Z`, as the API writes times.
pub fn wire(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// For `#[serde(serialize_with = "...")]`: writes the time as [`wire`] does.
pub fn serialize<S: serde::Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&wire(*at))
}
