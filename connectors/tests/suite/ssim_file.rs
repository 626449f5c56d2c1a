//! SSIM files made here, record by record, and the same schedule in another clock.

/// A leg, field by field. Defaults are a flight that is good.
#[derive(Clone, Copy)]
pub(crate) struct LegRow {
    pub(crate) suffix: char,
    pub(crate) carrier: &'static str,
    pub(crate) number: &'static str,
    pub(crate) itinerary: &'static str,
    pub(crate) sequence: &'static str,
    pub(crate) service: char,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) days: &'static str,
    pub(crate) frequency: char,
    pub(crate) board: &'static str,
    pub(crate) departs: &'static str,
    pub(crate) departs_offset: &'static str,
    pub(crate) off: &'static str,
    pub(crate) arrives: &'static str,
    pub(crate) arrives_offset: &'static str,
    pub(crate) aircraft: &'static str,
    pub(crate) classes: &'static str,
    pub(crate) disclosure: char,
    pub(crate) restrictions: &'static str,
    pub(crate) configuration: &'static str,
    pub(crate) day_variation: &'static str,
    pub(crate) overflow: char,
}

impl Default for LegRow {
    fn default() -> Self {
        Self {
            suffix: ' ',
            carrier: "FL",
            number: "100",
            itinerary: "01",
            sequence: "01",
            service: 'J',
            from: "05JAN27",
            to: "05JAN27",
            days: "1234567",
            frequency: ' ',
            board: "CDG",
            departs: "0800",
            departs_offset: "+0100",
            off: "AMS",
            arrives: "0920",
            arrives_offset: "+0100",
            aircraft: "738",
            classes: "CY",
            disclosure: ' ',
            restrictions: "",
            configuration: "C030Y150",
            day_variation: "",
            overflow: ' ',
        }
    }
}

/// Puts texts at places counted from 1 into a record.
fn card(fields: &[(usize, &str)]) -> String {
    let mut bytes = [b' '; 200];
    for (first, text) in fields {
        bytes[first - 1..first - 1 + text.len()].copy_from_slice(text.as_bytes());
    }
    String::from_utf8(bytes.to_vec()).unwrap()
}

impl LegRow {
    /// The record, without a serial number.
    pub(crate) fn text(&self) -> String {
        card(&[
            (1, "3"),
            (2, self.suffix.encode_utf8(&mut [0; 4])),
            (3, self.carrier),
            (6, &format!("{:>4}", self.number)),
            (10, self.itinerary),
            (12, self.sequence),
            (14, self.service.encode_utf8(&mut [0; 4])),
            (15, self.from),
            (22, self.to),
            (29, self.days),
            (36, self.frequency.encode_utf8(&mut [0; 4])),
            (37, self.board),
            (40, self.departs),
            (44, self.departs),
            (48, self.departs_offset),
            (55, self.off),
            (58, self.arrives),
            (62, self.arrives),
            (66, self.arrives_offset),
            (73, self.aircraft),
            (76, self.classes),
            (128, self.overflow.encode_utf8(&mut [0; 4])),
            (149, self.disclosure.encode_utf8(&mut [0; 4])),
            (150, self.restrictions),
            (173, self.configuration),
            (193, self.day_variation),
        ])
    }

    /// Segment data of the leg: element, stations, data.
    pub(crate) fn segment(&self, element: &str, stations: &str, data: &str) -> String {
        card(&[
            (1, "4"),
            (2, self.suffix.encode_utf8(&mut [0; 4])),
            (3, self.carrier),
            (6, &format!("{:>4}", self.number)),
            (10, self.itinerary),
            (12, self.sequence),
            (14, self.service.encode_utf8(&mut [0; 4])),
            (28, self.overflow.encode_utf8(&mut [0; 4])),
            (29, "AB"),
            (31, element),
            (34, stations),
            (40, data),
        ])
    }
}

/// A carrier record, without a serial number.
pub(crate) fn carrier(mode: char, airline: &str, from: &str, to: &str, created: &str) -> String {
    card(&[
        (1, "2"),
        (2, mode.encode_utf8(&mut [0; 4])),
        (3, airline),
        (11, "W26"),
        (15, from),
        (22, to),
        (29, created),
        (72, "P"),
        (191, "1200"),
    ])
}

pub(crate) const HEADER: &str = "1AIRLINE STANDARD SCHEDULE DATA SET";

/// A whole file of one airline: header, carrier record, these, trailer, with padding and serial
/// numbers.
pub(crate) fn file(carrier: &str, rows: &[String]) -> String {
    let mut lines = vec![format!("{HEADER:<194}000001")];
    lines.extend(vec!["0".repeat(200); 4]);
    let mut serial = 1;
    for row in std::iter::once(carrier).chain(rows.iter().map(String::as_str)) {
        serial += 1;
        lines.push(format!("{}{serial:06}", &row[..194]));
    }
    lines.push(trailer(&carrier[2..5], serial));
    lines.join("\n") + "\n"
}

/// The trailer behind the record with this serial number.
pub(crate) fn trailer(airline: &str, serial: u32) -> String {
    let before = format!("{serial:06}");
    let own = format!("{:06}", serial + 1);
    card(&[
        (1, "5"),
        (3, airline),
        (188, &before),
        (194, "E"),
        (195, &own),
    ])
}

/// A file of the default airline for January 2027, in local time.
pub(crate) fn january(rows: &[String]) -> String {
    file(&carrier('L', "FL", "01JAN27", "31JAN27", "01DEC26"), rows)
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

fn shift_date(text: &str, days: i32) -> String {
    let month = MONTHS.iter().position(|m| *m == &text[2..5]).unwrap() as u32 + 1;
    let year = 2000 + text[5..7].parse::<i32>().unwrap();
    let date = flightline_ledger::Date::from_ymd(year, month, text[..2].parse().unwrap()).unwrap();
    let (year, month, day) = flightline_ledger::Date(date.0 + days).ymd();
    format!("{day:02}{}{:02}", MONTHS[month as usize - 1], year % 100)
}

fn minutes(hhmm: &str) -> i32 {
    hhmm[..2].parse::<i32>().unwrap() * 60 + hhmm[2..].parse::<i32>().unwrap()
}

fn hhmm(minutes: i32) -> String {
    let minutes = minutes.rem_euclid(1440);
    format!("{:02}{:02}", minutes / 60, minutes % 60)
}

fn offset(text: &str) -> i32 {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    sign * minutes(&text[1..])
}

/// The same file with its times, days and periods in UTC, with other itinerary and leg numbers, and with CRLF. Written
/// from the layout alone: it knows nothing of how the files are read.
pub(crate) fn in_utc(local: &str) -> String {
    let mut out = String::new();
    let mut itinerary = 0;
    for line in local.lines() {
        let mut line = line.to_owned();
        match line.as_bytes().first() {
            Some(b'2') => line.replace_range(1..2, "U"),
            Some(b'3') => {
                itinerary = itinerary % 99 + 1;
                let departs = minutes(&line[39..43]) - offset(&line[47..52]);
                let arrives = minutes(&line[61..65]) - offset(&line[65..70]);
                let days = departs.div_euclid(1440);
                for at in [14, 21] {
                    let date = shift_date(&line[at..at + 7], days);
                    line.replace_range(at..at + 7, &date);
                }
                let mut week = [b' '; 7];
                for digit in line[28..35].bytes().filter(u8::is_ascii_digit) {
                    let day = (i32::from(digit - b'1') + days).rem_euclid(7) as usize;
                    week[day] = b'1' + day as u8;
                }
                line.replace_range(28..35, std::str::from_utf8(&week).unwrap());
                for (at, minutes) in [(39, departs), (43, departs), (57, arrives), (61, arrives)] {
                    line.replace_range(at..at + 4, &hhmm(minutes));
                }
                line.replace_range(9..13, &format!("{itinerary:02}01"));
            }
            _ => {}
        }
        out.push_str(&line);
        out.push_str("\r\n");
    }
    out
}
