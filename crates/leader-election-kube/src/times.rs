//! The two forms of time that the API server writes: `MicroTime` in a Lease, and the header `Date` of every answer.

use std::time::{Duration, SystemTime};

use time::format_description::FormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// Six digits, neither more nor less: the server answers any other number of them with 400.
const MICRO: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
const DATE: &[FormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The first second of the year 10000, which four digits cannot write, and the time library panics at.
const TOO_LATE: u64 = 253_402_300_800;

/// As a `MicroTime`; `None` of a time before 1970 or after 9999.
pub(crate) fn micro(time: SystemTime) -> Option<String> {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let in_range = since_1970.as_secs() < TOO_LATE;
    in_range.then(|| OffsetDateTime::from(time).format(MICRO).ok()).flatten()
}

/// Any time that the server takes.
pub(crate) fn read(text: &str) -> Option<SystemTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    (1970..=9999).contains(&time.year()).then(|| SystemTime::from(time))
}

/// Seconds since 1970 of a header `Date`.
pub(crate) fn date(text: &str) -> Option<u64> {
    u64::try_from(PrimitiveDateTime::parse(text, DATE).ok()?.assume_utc().unix_timestamp()).ok()
}

/// `now`, or, unless its whole second is above that of the time on record, one second after that.
///
/// client-go compares Leases with their times cut to whole seconds. A renewal that leaves `renewTime` in its second is none to it,
/// and it takes a live lease over. To rise, and not only to differ, keeps who looks at every second renewal from seeing the same
/// second twice.
pub(crate) fn next_second(on_record: Option<SystemTime>, now: SystemTime) -> SystemTime {
    let Some(before) = on_record else { return now };
    if whole_seconds(now) > whole_seconds(before) {
        return now;
    }
    let next = before.checked_add(Duration::from_secs(1));
    // Somebody has written the last second that there is.
    next.filter(|next| micro(*next).is_some()).unwrap_or(now)
}

fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    #[test]
    fn a_time_has_six_digits_and_is_read_back() {
        assert_eq!(micro(at(1_795_132_800_000)).as_deref(), Some("2026-11-20T00:00:00.000000Z"));
        assert_eq!(micro(at(1_795_132_800_120)).as_deref(), Some("2026-11-20T00:00:00.120000Z"));
        assert_eq!(read("2026-11-20T00:00:00.120000Z"), Some(at(1_795_132_800_120)));
        assert_eq!(read("2026-11-20T02:00:00.120000+02:00"), Some(at(1_795_132_800_120)));
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(date("Fri, 20 Nov 2026 00:00:00 GMT"), Some(1_795_132_800));
        assert_eq!(date("2026-11-20"), None);
    }

    #[test]
    fn each_renewal_is_in_a_later_second_than_the_one_before_however_often_and_whatever_the_clock() {
        let mut on_record = at(10_100);
        for now in [10_400, 10_700, 11_000, 11_300, 60_000, 60_100, 5_000, 5_500] {
            let next = next_second(Some(on_record), at(now));
            assert!(whole_seconds(next) > whole_seconds(on_record), "{now}");
            on_record = next;
        }
        assert_eq!(next_second(Some(at(10_999)), at(11_000)), at(11_000), "the clock alone is enough");
        assert_eq!(next_second(None, at(7)), at(7));
        let last = read("9999-12-31T23:59:59.000000Z").expect("in range");
        assert_eq!(next_second(Some(last), at(7)), at(7));
    }
}
