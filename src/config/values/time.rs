//! Times of the day, days of the week, zones.

use super::BadValue;

/// The days by the names of the grammar; the place is the bit in a set of days.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `07:30` as minutes after midnight; `24:00` is the end of a day.
pub fn time_of_day(text: &str) -> Result<u16, BadValue> {
    let bad =
        || BadValue::new("this is no time of day", "write it as \"07:30\", from \"00:00\" to \"24:00\"");
    let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
    let two = |part: &str| -> Option<u16> {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse().ok())
            .flatten()
    };
    let (hours, minutes) = (two(hours).ok_or_else(bad)?, two(minutes).ok_or_else(bad)?);
    let total = hours * 60 + minutes;
    if minutes > 59 || total > 24 * 60 {
        return Err(bad());
    }
    Ok(total)
}

/// The set that a day's name stands for.
pub fn day(text: &str) -> Option<u8> {
    DAYS.iter().position(|name| *name == text).map(|at| 1 << at)
}

/// A zone of the IANA database, which is compiled in.
pub fn zone(text: &str) -> Result<jiff::tz::TimeZone, BadValue> {
    jiff::tz::TimeZone::get(text)
        .map_err(|_| BadValue::new("this is no time zone", "write it as `Europe/London` or `UTC`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days() {
        assert_eq!(time_of_day("07:30").unwrap(), 450);
        assert_eq!(time_of_day("24:00").unwrap(), 1440);
        for text in ["7:30", "24:01", "12:60", "0730", "07:3o", ""] {
            assert!(time_of_day(text).is_err(), "{text}");
        }
        assert_eq!((day("mon"), day("sun"), day("Mon")), (Some(1), Some(64), None));
        assert!(zone("Europe/London").is_ok() && zone("Mars/Olympus").is_err());
    }
}
