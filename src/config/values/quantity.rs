//! Durations (`15m`), sizes (`64KiB`) and rates (`5 per 15m`).

use std::time::Duration;

use super::super::codes::Code;
use super::BadValue;

/// Ten years: longer is a mistake, and arithmetic on it stays far from overflow.
const LONGEST: u64 = 10 * 365 * 86_400;

/// `30s`, `15m`, `12h`, `30d`: whole numbers with one unit.
pub fn duration(text: &str) -> Result<Duration, BadValue> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let bad = |message: &str, label: String| BadValue::coded(Code::Duration, message, label);
    if number.is_empty() {
        return Err(bad(
            "this is no duration",
            "write a number with a unit: 30s, 15m, 12h or 30d".to_owned(),
        ));
    }
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "" => {
            let label = format!("write {number}s, {number}m, {number}h or {number}d");
            return Err(bad("a duration needs a unit", label));
        }
        _ => return Err(bad("a duration has one unit", "write it as 30s, 15m, 12h or 30d".to_owned())),
    };
    let total = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(seconds))
        .filter(|n| *n <= LONGEST);
    total
        .map(Duration::from_secs)
        .ok_or_else(|| bad("this duration is too long", "at most ten years".to_owned()))
}

/// A duration as it is written, in its largest whole unit.
#[cfg(test)]
pub fn write_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds > 0 && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

/// `512B`, `64KiB`, `10MiB`, `2GiB`, in bytes.
pub fn size(text: &str) -> Result<u64, BadValue> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(BadValue::new("a size needs a unit", "write it as 512B, 64KiB, 10MiB or 2GiB")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift))
        .filter(|n| *n <= 1 << 50)
        .ok_or_else(|| BadValue::new("this is no size", "write it as 512B, 64KiB, 10MiB or 2GiB"))
}

/// So many within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub window: Duration,
}

/// `5 per 15m`.
pub fn rate(text: &str) -> Result<Rate, BadValue> {
    let bad = || BadValue::new("this is no rate", "write it as `5 per 15m`");
    let (count, window) = text.split_once(" per ").ok_or_else(bad)?;
    let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(bad)?;
    let window = duration(window.trim())?;
    if window.is_zero() {
        return Err(bad());
    }
    Ok(Rate { count, window })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bare_number_is_told_its_choices() {
        let error = duration("15").unwrap_err();
        assert_eq!(error.code, Code::Duration);
        assert_eq!(error.label, "write 15s, 15m, 15h or 15d");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "1.5h",
            "1h30m",
            "15 m",
            "15M",
            "99999999999999999999s",
            "4000d",
            "１5s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration("0s").unwrap(), Duration::ZERO);
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(size("64KiB").unwrap(), 65_536);
        assert!(size("64").is_err() && size("64KB").is_err() && size("99999999GiB").is_err());
        assert_eq!(rate("5 per 15m").unwrap(), Rate { count: 5, window: Duration::from_mins(15) });
        assert!(rate("0 per 1m").is_err() && rate("5 per 0s").is_err() && rate("5/15m").is_err());
    }

    proptest! {
        #[test]
        fn durations_survive_being_written(seconds in 0_u64..=LONGEST) {
            let value = Duration::from_secs(seconds);
            prop_assert_eq!(duration(&write_duration(value)), Ok(value));
        }

        #[test]
        fn no_text_is_too_odd(text in ".*") {
            let _ = (duration(&text), size(&text), rate(&text));
        }
    }
}
