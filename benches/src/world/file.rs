//! The file itself, to the columns of SSIM chapter 7.

use std::fmt::Write;

use super::{DAYS, World};
use crate::world::Route;

/// Flight time of every leg, in minutes.
const BLOCK_MIN: u32 = 150;

/// A file in UTC, each flight with 180 seats, and how many leg records it has.
pub fn write(world: &World) -> (String, usize) {
    let mut file = File {
        out: String::new(),
        serial: 1,
        legs: 0,
    };
    file.line(&format!("{:<194}", "1AIRLINE STANDARD SCHEDULE DATA SET"));
    for (airline, routes) in &world.routes {
        file.airline(airline, routes);
    }
    (file.out, file.legs)
}

struct File {
    out: String,
    serial: u32,
    legs: usize,
}

impl File {
    /// A record of 194 columns and its serial number. Gives the number.
    fn line(&mut self, body: &str) -> u32 {
        let serial = self.serial;
        let _ = writeln!(self.out, "{body}{serial:06}");
        self.serial = if serial == 999_999 { 2 } else { serial + 1 };
        serial
    }

    fn airline(&mut self, airline: &str, routes: &[Route]) {
        let carrier = format!("2U{airline:<3}     S27 01AUG2731AUG2701JUL27");
        let mut last = self.line(&format!("{carrier:<190}1200"));
        let mut number = 0;
        for route in routes {
            let mut left = route.departures;
            while left > 0 {
                let days = left.min(DAYS);
                left -= days;
                number += 1;
                last = self.leg(airline, route, number, days);
            }
        }
        let end = self.serial;
        let _ = writeln!(
            self.out,
            "{:<187}{last:06}E{end:06}",
            format!("5 {airline}")
        );
        self.serial = if end == 999_999 { 2 } else { end + 1 };
    }

    fn leg(&mut self, airline: &str, route: &Route, number: u32, days: u32) -> u32 {
        self.legs += 1;
        let suffix = match (number - 1) / 9_999 {
            0 => ' ',
            n => char::from(b'A' + (n as u8 - 1) % 26),
        };
        let number = (number - 1) % 9_999 + 1;
        let departs = (number * 37) % 1_440;
        let arrives = departs + BLOCK_MIN;
        let clock = |minutes: u32| format!("{:02}{:02}", minutes / 60 % 24, minutes % 60);
        let body = format!(
            "3{suffix}{airline:<3}{number:>4}0101J01AUG27{days:02}AUG271234567 {}{1}{1}+0000  {2}{3}{3}+0000  32NY",
            route.from,
            clock(departs),
            route.to,
            clock(arrives),
        );
        let over = if arrives >= 1_440 { "01" } else { "00" };
        self.line(&format!("{body:<172}Y180                {over}"))
    }
}
