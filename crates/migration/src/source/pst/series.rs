//! A series of appointments as iCalendar: its rule, what was taken out of it, what was moved (RFC
//! 5545).

use super::event::{escape, fold};
use super::recurrence::{self, Changed, Series, Zone};
use super::text::put;

/// Writes series in their own zone, so that they keep their hour through the year.
pub(super) struct Writer<'a> {
    zone: Option<&'a Zone>,
    all_day: bool,
    /// Lines that every event of the series has.
    common: &'a str,
    /// What stands behind the name of each time.
    parameter: &'static str,
}

impl<'a> Writer<'a> {
    pub(super) fn new(zone: Option<&'a Zone>, all_day: bool, common: &'a str) -> Self {
        let parameter = match (zone, all_day) {
            (_, true) => ";VALUE=DATE",
            (Some(_), false) => ";TZID=pst",
            // Without a zone, the hour is that of whoever looks at it.
            (None, false) => "",
        };
        Self {
            zone,
            all_day,
            common,
            parameter,
        }
    }

    pub(super) fn series(&self, series: &Series, out: &mut String) {
        if let Some(zone) = self.zone.filter(|_| !self.all_day) {
            out.push_str(&zone.text);
        }
        out.push_str("BEGIN:VEVENT\r\n");
        out.push_str(self.common);
        self.time("DTSTART", series.start, out);
        self.time("DTEND", series.end, out);
        let until = self.until(series);
        out.push_str(&fold(&format!("RRULE:{}{until}", series.rule)));
        for gone in &series.gone {
            self.time("EXDATE", *gone, out);
        }
        out.push_str("END:VEVENT\r\n");
        for changed in &series.changed {
            self.changed(changed, out);
        }
    }

    fn time(&self, name: &str, minutes: u32, out: &mut String) {
        let (parameter, local) = (self.parameter, recurrence::local(minutes, self.all_day));
        put(out, format_args!("{name}{parameter}:{local}\r\n"));
    }

    fn until(&self, series: &Series) -> String {
        match (series.last, self.zone) {
            (None, _) => String::new(),
            (Some(last), Some(zone)) if !self.all_day => {
                // RFC 5545 wants UTC here. Half a day more spares the question of summer time, and
                // the next occurrence is a whole day away.
                let utc = i64::from(last) + i64::from(zone.bias) + 720;
                let utc = u32::try_from(utc).unwrap_or(last);
                format!(";UNTIL={}Z", recurrence::local(utc, false))
            }
            (Some(last), _) => format!(";UNTIL={}", recurrence::local(last, self.all_day)),
        }
    }

    /// One occurrence that is not as the rule says.
    fn changed(&self, changed: &Changed, out: &mut String) {
        out.push_str("BEGIN:VEVENT\r\n");
        let kept = |line: &&str| {
            !(changed.subject.is_some() && line.starts_with("SUMMARY")
                || changed.place.is_some() && line.starts_with("LOCATION"))
        };
        // A folded line goes, or stays, with its continuations.
        let lines = self.common.replace("\r\n ", "\u{0}");
        for line in lines.split_terminator("\r\n").filter(kept) {
            out.push_str(&line.replace('\u{0}', "\r\n "));
            out.push_str("\r\n");
        }
        self.time("RECURRENCE-ID", changed.original, out);
        self.time("DTSTART", changed.start, out);
        self.time("DTEND", changed.end, out);
        for (name, value) in [("SUMMARY", &changed.subject), ("LOCATION", &changed.place)] {
            if let Some(value) = value {
                out.push_str(&fold(&format!("{name}:{}", escape(value))));
            }
        }
        out.push_str("END:VEVENT\r\n");
    }
}
