//! Decimal numbers that behave as PostgreSQL's `numeric`: exact, each with its own number of digits
//! after the point, which shows when it is printed.
//!
//! Up to 38 digits; an operation whose result needs more is refused rather than rounded. NaN and
//! infinities do not exist here.

use std::cmp::Ordering;
use std::fmt;

/// The most digits of a number.
pub const DIGITS_MAX: u32 = 38;

/// `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    digits: i128,
    scale: u8,
}

/// The result has more than [`DIGITS_MAX`] digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

const LIMIT: i128 = 10_i128.pow(DIGITS_MAX);

fn power(exponent: u32) -> Result<i128, TooLarge> {
    if exponent > DIGITS_MAX {
        return Err(TooLarge);
    }
    Ok(10_i128.pow(exponent))
}

/// Number of decimal digits; 0 has none.
fn len(mut n: u128) -> u32 {
    if let Ok(small) = u64::try_from(n) {
        return small.checked_ilog10().map_or(0, |log| log + 1);
    }
    let mut count = 0;
    while n > 0 {
        n /= 10;
        count += 1;
    }
    count
}

impl Decimal {
    /// Zero without decimals.
    pub const ZERO: Self = Self {
        digits: 0,
        scale: 0,
    };

    /// `digits / 10^scale`, if it is within bounds.
    pub fn new(digits: i128, scale: u32) -> Result<Self, TooLarge> {
        if scale > DIGITS_MAX || !(-LIMIT + 1..LIMIT).contains(&digits) {
            return Err(TooLarge);
        }
        Ok(Self {
            digits,
            scale: scale as u8,
        })
    }

    /// A whole number.
    pub fn from_i64(value: i64) -> Self {
        Self {
            digits: value.into(),
            scale: 0,
        }
    }

    /// The digits, without the point.
    pub fn digits(self) -> i128 {
        self.digits
    }

    /// Digits after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Is it 0?
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Reads `-12.50`, `.5`, `1e3`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            digits = digits
                .checked_mul(10)?
                .checked_add(i128::from(byte - b'0'))?;
        }
        let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        if scale < 0 {
            digits = digits.checked_mul(power(scale.unsigned_abs()).ok()?)?;
            scale = 0;
        }
        Self::new(
            if negative { -digits } else { digits },
            scale.unsigned_abs(),
        )
        .ok()
    }

    /// The same number with at least so many decimals.
    fn at_scale(self, scale: u8) -> Result<i128, TooLarge> {
        let more = power(u32::from(scale.saturating_sub(self.scale)))?;
        self.digits.checked_mul(more).ok_or(TooLarge)
    }

    /// `self + other`.
    pub fn plus(self, other: Self) -> Result<Self, TooLarge> {
        let scale = self.scale.max(other.scale);
        let sum = self.at_scale(scale)?.checked_add(other.at_scale(scale)?);
        Self::new(sum.ok_or(TooLarge)?, scale.into())
    }

    /// `self − other`.
    pub fn minus(self, other: Self) -> Result<Self, TooLarge> {
        self.plus(other.negated())
    }

    /// `self × other`: exact, with the decimals of both.
    pub fn times(self, other: Self) -> Result<Self, TooLarge> {
        let product = self.digits.checked_mul(other.digits).ok_or(TooLarge)?;
        Self::new(product, u32::from(self.scale) + u32::from(other.scale))
    }

    /// `self / other`, rounded half away from zero, with as many decimals as PostgreSQL gives: enough
    /// for 16 significant digits. `None` when `other` is 0.
    pub fn over(self, other: Self) -> Option<Result<Self, TooLarge>> {
        if other.digits == 0 {
            return None;
        }
        Some(self.div_to(other, division_scale(self, other)))
    }

    fn div_to(self, other: Self, scale: u32) -> Result<Self, TooLarge> {
        let negative = (self.digits < 0) != (other.digits < 0);
        // digits₁ / 10^s₁ ÷ digits₂ / 10^s₂ to `scale` decimals and one more to round by: long division,
        // so that no number on the way is larger than need be.
        let mut divisor = other.digits.unsigned_abs();
        let numerator = self.digits.unsigned_abs();
        let shift = i64::from(scale) + i64::from(other.scale) - i64::from(self.scale);
        if shift < 0 {
            let more = power(u32::try_from(-shift).map_err(|_| TooLarge)?)?;
            divisor = divisor.checked_mul(more.unsigned_abs()).ok_or(TooLarge)?;
        }
        let (mut quotient, mut rest) = (numerator / divisor, numerator % divisor);
        for _ in 0..shift.max(0) {
            rest = rest.checked_mul(10).ok_or(TooLarge)?;
            quotient = quotient
                .checked_mul(10)
                .and_then(|q| q.checked_add(rest / divisor))
                .ok_or(TooLarge)?;
            rest %= divisor;
        }
        if rest >= divisor - rest {
            quotient += 1;
        }
        let quotient = i128::try_from(quotient).map_err(|_| TooLarge)?;
        Self::new(if negative { -quotient } else { quotient }, scale)
    }

    /// The rest of `self / other` towards zero; `None` when `other` is 0.
    pub fn rest(self, other: Self) -> Option<Result<Self, TooLarge>> {
        if other.digits == 0 {
            return None;
        }
        let scale = self.scale.max(other.scale);
        let aligned = || Ok((self.at_scale(scale)?, other.at_scale(scale)?));
        Some(aligned().and_then(|(a, b): (i128, i128)| Self::new(a % b, scale.into())))
    }

    /// `−self`.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            digits: -self.digits,
            ..self
        }
    }

    /// Rounded half away from zero to so many decimals; fewer than 0 rounds to tens, hundreds, ...
    pub fn round(self, scale: i32) -> Result<Self, TooLarge> {
        self.cut(scale, |rest, half, _| rest.abs() >= half)
    }

    /// Cut off after so many decimals.
    pub fn trunc(self, scale: i32) -> Result<Self, TooLarge> {
        self.cut(scale, |_, _, _| false)
    }

    /// The least whole number that is not below.
    pub fn ceil(self) -> Result<Self, TooLarge> {
        self.cut(0, |rest, _, _| rest > 0)
    }

    /// The greatest whole number that is not above.
    pub fn floor(self) -> Result<Self, TooLarge> {
        self.cut(0, |rest, _, _| rest < 0)
    }

    /// Keeps `scale` decimals and goes one further from zero if `away` says so.
    fn cut(self, scale: i32, away: impl Fn(i128, i128, i128) -> bool) -> Result<Self, TooLarge> {
        let drop = i64::from(self.scale) - i64::from(scale);
        let kept = u32::try_from(scale.max(0)).map_err(|_| TooLarge)?;
        if drop <= 0 {
            let digits = self.at_scale(u8::try_from(kept).map_err(|_| TooLarge)?)?;
            return Self::new(digits, kept);
        }
        let Ok(unit) = power(u32::try_from(drop).map_err(|_| TooLarge)?) else {
            // Every digit goes.
            return Self::new(0, kept);
        };
        let (mut digits, rest) = (self.digits / unit, self.digits % unit);
        // Half of a power of ten, rounded up: only the power 1 is odd, and it drops nothing.
        if away(rest, unit / 2, unit) {
            digits += if self.digits < 0 { -1 } else { 1 };
        }
        let digits = match scale {
            0.. => digits,
            _ => digits
                .checked_mul(power(scale.unsigned_abs())?)
                .ok_or(TooLarge)?,
        };
        Self::new(digits, kept)
    }

    /// Rounded to a whole number, if that is one of 64 bits.
    pub fn to_i64(self) -> Option<i64> {
        i64::try_from(self.round(0).ok()?.digits).ok()
    }

    /// The same number without zeros behind: equal numbers become the same.
    #[must_use]
    pub fn normalized(self) -> Self {
        let Self {
            mut digits,
            mut scale,
        } = self;
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        Self { digits, scale }
    }

    /// Sign, magnitude (the place of the first digit before the point) and the digits, 38 of them
    /// with zeros behind, as two halves. Numbers of one sign compare like (magnitude, halves).
    pub(crate) fn parts(self) -> (Ordering, i8, u64, u64) {
        let sign = self.digits.cmp(&0);
        let abs = self.digits.unsigned_abs();
        if abs == 0 {
            return (sign, 0, 0, 0);
        }
        let count = len(abs);
        let magnitude = count as i8 - self.scale as i8;
        const HALF: u128 = 10_u128.pow(19);
        if count <= 19 {
            let high = abs as u64 * 10_u64.pow(19 - count);
            return (sign, magnitude, high, 0);
        }
        let all = abs * 10_u128.pow(DIGITS_MAX - count);
        (sign, magnitude, (all / HALF) as u64, (all % HALF) as u64)
    }

    /// What [`Decimal::parts`] took apart, at this scale.
    pub(crate) fn from_parts(
        negative: bool,
        magnitude: i8,
        halves: (u64, u64),
        scale: u8,
    ) -> Option<Self> {
        let count = i32::from(magnitude) + i32::from(scale);
        let count = u32::try_from(count).ok().filter(|c| *c <= DIGITS_MAX)?;
        let digits = if count <= 19 {
            i128::from(halves.0 / 10_u64.pow(19 - count))
        } else {
            let all = i128::from(halves.0) * 10_i128.pow(19) + i128::from(halves.1);
            all / 10_i128.pow(DIGITS_MAX - count)
        };
        Self::new(if negative { -digits } else { digits }, scale.into()).ok()
    }
}

/// Decimals of a quotient, by PostgreSQL's rule: at least 16 significant digits, counted in groups of
/// four from the point, and no fewer decimals than either operand shows.
fn division_scale(a: Decimal, b: Decimal) -> u32 {
    /// Weight and value of the first group of four digits.
    fn first_group(n: Decimal) -> (i64, i128) {
        let abs = n.digits.unsigned_abs();
        if abs == 0 {
            return (0, 0);
        }
        // The place of the first digit before the point, from 1; not above 0 behind it.
        let place = i64::from(len(abs)) - i64::from(n.scale);
        let weight = (place - 1).div_euclid(4);
        // The group ends `4 × weight` digits before the point.
        let drop = i64::from(n.scale) + 4 * weight;
        let group = if drop >= 0 {
            abs.checked_div(10_u128.checked_pow(drop as u32).unwrap_or(u128::MAX))
                .unwrap_or(0)
        } else {
            abs * 10_u128.pow((-drop) as u32)
        };
        (weight, group as i128)
    }
    let ((weight_a, first_a), (weight_b, first_b)) = (first_group(a), first_group(b));
    let mut weight = weight_a - weight_b;
    if first_a <= first_b {
        weight -= 1;
    }
    let scale = 16 - weight * 4;
    let scale = scale.max(a.scale.into()).max(b.scale.into()).max(0);
    u32::try_from(scale).unwrap_or(u32::MAX).min(1000)
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    /// By value; of equal values the one with fewer decimals comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.value_cmp(*other)
            .then_with(|| self.scale.cmp(&other.scale))
    }
}

impl Decimal {
    /// By value alone: 1.5 and 1.50 are equal.
    pub fn value_cmp(self, other: Self) -> Ordering {
        if self.scale == other.scale {
            return self.digits.cmp(&other.digits);
        }
        let split = |n: Self| {
            let unit = 10_i128.pow(n.scale.into());
            (n.digits / unit, n.digits % unit)
        };
        let ((whole_a, rest_a), (whole_b, rest_b)) = (split(self), split(other));
        // What is behind the point fits with all decimals that there can be.
        let wide = |rest: i128, scale: u8| rest * 10_i128.pow(DIGITS_MAX - u32::from(scale));
        whole_a
            .cmp(&whole_b)
            .then_with(|| wide(rest_a, self.scale).cmp(&wide(rest_b, other.scale)))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let abs = self.digits.unsigned_abs();
        let sign = if self.digits < 0 { "-" } else { "" };
        if self.scale == 0 {
            return write!(f, "{sign}{abs}");
        }
        let unit = 10_u128.pow(self.scale.into());
        let width = usize::from(self.scale);
        write!(f, "{sign}{}.{:0width$}", abs / unit, abs % unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn texts_come_back() {
        for text in [
            "0",
            "0.00",
            "-0.01",
            "12.50",
            "99999999999999999999999999999999999999",
        ] {
            assert_eq!(d(text).to_string(), text);
        }
        assert_eq!(d("1e3").to_string(), "1000");
        assert_eq!(d("1.25e-2").to_string(), "0.0125");
        for bad in [
            "",
            ".",
            "1.2.3",
            "x",
            "1e",
            "999999999999999999999999999999999999999",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    /// Answers of PostgreSQL 15.
    #[test]
    fn quotients_have_the_decimals_that_postgresql_gives() {
        for (a, b, expected) in [
            ("1", "3", "0.33333333333333333333"),
            ("2", "3", "0.66666666666666666667"),
            ("10", "3", "3.3333333333333333"),
            ("1", "1", "1.00000000000000000000"),
            ("10000", "3", "3333.3333333333333333"),
            ("100", "7", "14.2857142857142857"),
            ("-1.50", "7", "-0.21428571428571428571"),
            ("123456.78", "0.5", "246913.560000000000"),
            ("0", "7", "0.00000000000000000000"),
        ] {
            let quotient = d(a).over(d(b)).unwrap().unwrap();
            assert_eq!(quotient.to_string(), expected, "{a} / {b}");
        }
        assert_eq!(d("1").over(d("0.00")), None);
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (n, scale, expected) in [
            ("2.5", 0, "3"),
            ("-2.5", 0, "-3"),
            ("2.45", 1, "2.5"),
            ("2.44", 1, "2.4"),
            ("155", -1, "160"),
            ("-155", -2, "-200"),
            ("1.2", 3, "1.200"),
            ("0.4", 0, "0"),
        ] {
            assert_eq!(d(n).round(scale).unwrap().to_string(), expected, "{n}");
        }
        assert_eq!(d("-0.5").ceil().unwrap().to_string(), "0");
        assert_eq!(d("-0.5").floor().unwrap().to_string(), "-1");
        assert_eq!(d("-7.5").rest(d("2")).unwrap().unwrap().to_string(), "-1.5");
    }

    #[test]
    fn parts_sort_like_numbers_and_come_back() {
        let texts = [
            "-99999999999999999999999999999999999999",
            "-12.5",
            "-1.50",
            "-1.5",
            "-0.001",
            "0",
            "0.00",
            "0.0000000000000000000000000000000000001",
            "0.001",
            "0.01",
            "1",
            "1.00",
            "1.5",
            "12",
            "100",
            "100.00",
            "12345678901234567890.123",
            "99999999999999999999999999999999999999",
        ];
        for text in texts {
            let n = d(text);
            let (sign, magnitude, high, low) = n.parts();
            if sign != Ordering::Equal {
                let back = Decimal::from_parts(sign.is_lt(), magnitude, (high, low), n.scale());
                assert_eq!(back, Some(n), "{text}");
            }
        }
        for (a, b) in texts.iter().zip(&texts[1..]) {
            if d(a).value_cmp(d(b)).is_eq() {
                assert_eq!(d(a).parts(), d(b).parts(), "{a} = {b}");
            } else {
                assert_eq!(d(a).value_cmp(d(b)), Ordering::Less, "{a} < {b}");
            }
        }
    }
}
