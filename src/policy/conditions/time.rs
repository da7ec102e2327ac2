//! What time it is, where the configuration says.
//!
//! Never asks the system's clock: the time comes with the facts.

use jiff::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::config::settings::TimeWindow;

use super::{Truth, View};

/// True on the given days between the given times of day. A window over midnight belongs to the
/// day on which it begins.
#[derive(Debug)]
pub(in crate::policy) struct Time {
    days: u8,
    between: Option<(u16, u16)>,
    zone: TimeZone,
}

impl Time {
    pub(super) fn compile(window: &TimeWindow) -> Self {
        Self { days: window.days, between: window.between, zone: window.zone.clone() }
    }

    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        let Some(local) = self.local(view) else {
            return Truth::Unknown;
        };
        let today = local.weekday().to_monday_zero_offset();
        let yesterday = local.weekday().previous().to_monday_zero_offset();
        let on = |day: i8| self.days & (1 << day) != 0;
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let Some((from, to)) = self.between.map(|(from, to)| (i32::from(from), i32::from(to))) else {
            return on(today).into();
        };
        if from <= to {
            return (on(today) && from <= minute && minute < to).into();
        }
        ((on(today) && from <= minute) || (on(yesterday) && minute < to)).into()
    }

    pub(super) fn why(&self, view: &View<'_>) -> String {
        match self.local(view) {
            Some(local) => local.strftime("%A %H:%M %Q").to_string(),
            None => "the time cannot be told".to_owned(),
        }
    }

    fn local(&self, view: &View<'_>) -> Option<Zoned> {
        Some(Timestamp::from_second(view.now.0).ok()?.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::ambient::UnixTime;

    const MON_TO_FRI: u8 = 0b1_1111;

    fn holds(days: u8, between: Option<(u16, u16)>, at: &str) -> Truth {
        let at: Timestamp = at.parse().unwrap();
        let zone = TimeZone::get("Europe/London").unwrap();
        let view = View {
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            identity: None,
            now: UnixTime(at.as_second()),
            request: None,
        };
        Time::compile(&TimeWindow { days, between, zone }).holds(&view)
    }

    #[test]
    fn from_is_in_and_to_is_out() {
        let working_hours = Some((7 * 60, 19 * 60));
        assert_eq!(holds(MON_TO_FRI, working_hours, "2026-11-20T06:59:59Z"), Truth::False);
        assert_eq!(holds(MON_TO_FRI, working_hours, "2026-11-20T07:00:00Z"), Truth::True);
        assert_eq!(holds(MON_TO_FRI, working_hours, "2026-11-20T18:59:59Z"), Truth::True);
        assert_eq!(holds(MON_TO_FRI, working_hours, "2026-11-20T19:00:00Z"), Truth::False);
        assert_eq!(holds(MON_TO_FRI, working_hours, "2026-11-21T12:00:00Z"), Truth::False);
    }

    #[test]
    fn the_zone_is_the_configured_one() {
        // In July London is an hour ahead of UTC.
        assert_eq!(holds(MON_TO_FRI, Some((7 * 60, 19 * 60)), "2026-07-01T06:30:00Z"), Truth::True);
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins() {
        let friday_night = (0b1_0000, Some((22 * 60, 6 * 60)));
        assert_eq!(holds(friday_night.0, friday_night.1, "2026-11-20T23:00:00Z"), Truth::True);
        assert_eq!(holds(friday_night.0, friday_night.1, "2026-11-21T05:59:00Z"), Truth::True);
        assert_eq!(holds(friday_night.0, friday_night.1, "2026-11-20T05:00:00Z"), Truth::False);
    }

    #[test]
    fn a_time_beyond_the_calendar_is_unknown() {
        let window = TimeWindow { days: 0x7f, between: None, zone: TimeZone::UTC };
        let view = View {
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            identity: None,
            now: UnixTime::NEVER,
            request: None,
        };
        assert_eq!(Time::compile(&window).holds(&view), Truth::Unknown);
    }
}
