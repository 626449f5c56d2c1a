//! Text, by characters.

use Type::{Bool, Int4, Text};

use super::{Error, Function, int, partial, str, total};
use crate::relational::datum::Datum;
use crate::relational::expr::Type;

/// The longest text that `repeat`, `lpad` and `rpad` make.
const MADE_MAX: i64 = 65_536;

fn made(text: impl Into<String>) -> Result<Datum<'static>, Error> {
    Ok(Datum::made(text.into()))
}

fn count(value: usize) -> Result<Datum<'static>, Error> {
    match i32::try_from(value) {
        Ok(value) => Ok(Datum::Int(value.into())),
        Err(_) => Err(Error::Borrowed("integer out of range")),
    }
}

/// The characters from `start` (from 1) on, before `end`.
fn slice(text: &str, start: i64, end: i64) -> String {
    let start = start.max(1);
    let skip = usize::try_from(start - 1).unwrap_or(usize::MAX);
    let take = usize::try_from((end - start).max(0)).unwrap_or(usize::MAX);
    text.chars().skip(skip).take(take).collect()
}

fn is_in(set: &str) -> impl Fn(char) -> bool + '_ {
    move |c| set.contains(c)
}

fn pad(a: &[Datum<'_>], fill: &str, left: bool) -> Result<Datum<'static>, Error> {
    let (text, len) = (str(&a[0])?, int(&a[1])?.max(0));
    if len > MADE_MAX {
        return Err(Error::Borrowed("a text of more than 65536 characters"));
    }
    let len = len as usize;
    let has = text.chars().count();
    if has >= len || fill.is_empty() {
        return made(text.chars().take(len).collect::<String>());
    }
    let filling: String = fill.chars().cycle().take(len - has).collect();
    made(if left {
        filling + text
    } else {
        text.to_owned() + &filling
    })
}

/// `LIKE` with `\` as escape: `%` is any text, `_` any character.
pub(crate) fn like(text: &str, pattern: &str) -> Result<bool, Error> {
    // The place after the last `%` and the text that it has taken so far, to come back to.
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match pattern.get(p) {
            Some('%') => {
                p += 1;
                back = Some((p, t));
                continue;
            }
            Some('_') if t < text.len() => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            Some(c) if *c != '_' => {
                let (literal, next) = match c {
                    '\\' => match pattern.get(p + 1) {
                        Some(c) => (*c, p + 2),
                        None => {
                            return Err(Error::Borrowed(
                                "LIKE pattern must not end with escape character",
                            ));
                        }
                    },
                    c => (*c, p + 1),
                };
                if text.get(t) == Some(&literal) {
                    (t, p) = (t + 1, next);
                    continue;
                }
            }
            Some(_) => {}
            None if t == text.len() => return Ok(true),
            None => {}
        }
        match back {
            Some((after, taken)) if taken < text.len() => {
                back = Some((after, taken + 1));
                (p, t) = (after, taken + 1);
            }
            _ => return Ok(false),
        }
    }
}

static FUNCTIONS: [Function; 30] = [
    total("||", &[Text, Text], Text, "one after the other", |a| {
        made(str(&a[0])?.to_owned() + str(&a[1])?)
    }),
    total("length", &[Text], Int4, "number of characters", |a| {
        count(str(&a[0])?.chars().count())
    }),
    total("char_length", &[Text], Int4, "number of characters", |a| {
        count(str(&a[0])?.chars().count())
    }),
    total("upper", &[Text], Text, "in upper case", |a| {
        made(str(&a[0])?.to_uppercase())
    }),
    total("lower", &[Text], Text, "in lower case", |a| {
        made(str(&a[0])?.to_lowercase())
    }),
    total(
        "substr",
        &[Text, Int4],
        Text,
        "from a character on, counted from 1",
        |a| made(slice(str(&a[0])?, int(&a[1])?, i64::MAX)),
    ),
    partial(
        "substr",
        &[Text, Int4, Int4],
        Text,
        "so many characters from one on",
        |a| substring(a),
    ),
    total(
        "substring",
        &[Text, Int4],
        Text,
        "from a character on, counted from 1",
        |a| made(slice(str(&a[0])?, int(&a[1])?, i64::MAX)),
    ),
    partial(
        "substring",
        &[Text, Int4, Int4],
        Text,
        "so many characters from one on",
        |a| substring(a),
    ),
    total(
        "left",
        &[Text, Int4],
        Text,
        "the first characters; of a negative number, all but so many",
        |a| {
            let (text, n) = (str(&a[0])?, int(&a[1])?);
            let len = text.chars().count() as i64;
            let n = if n < 0 { (len + n).max(0) } else { n };
            made(slice(text, 1, n + 1))
        },
    ),
    total(
        "right",
        &[Text, Int4],
        Text,
        "the last characters; of a negative number, all but so many",
        |a| {
            let (text, n) = (str(&a[0])?, int(&a[1])?);
            let len = text.chars().count() as i64;
            let n = if n < 0 { (len + n).max(0) } else { n };
            made(slice(text, (len - n).max(0) + 1, i64::MAX))
        },
    ),
    total("btrim", &[Text], Text, "without spaces around", |a| {
        made(str(&a[0])?.trim_matches(' '))
    }),
    total(
        "btrim",
        &[Text, Text],
        Text,
        "without such characters around",
        |a| made(str(&a[0])?.trim_matches(is_in(str(&a[1])?))),
    ),
    total("ltrim", &[Text], Text, "without spaces in front", |a| {
        made(str(&a[0])?.trim_start_matches(' '))
    }),
    total(
        "ltrim",
        &[Text, Text],
        Text,
        "without such characters in front",
        |a| made(str(&a[0])?.trim_start_matches(is_in(str(&a[1])?))),
    ),
    total("rtrim", &[Text], Text, "without spaces behind", |a| {
        made(str(&a[0])?.trim_end_matches(' '))
    }),
    total(
        "rtrim",
        &[Text, Text],
        Text,
        "without such characters behind",
        |a| made(str(&a[0])?.trim_end_matches(is_in(str(&a[1])?))),
    ),
    total(
        "replace",
        &[Text, Text, Text],
        Text,
        "one text for another, everywhere",
        |a| {
            let (text, from) = (str(&a[0])?, str(&a[1])?);
            made(if from.is_empty() {
                text.to_owned()
            } else {
                text.replace(from, str(&a[2])?)
            })
        },
    ),
    partial(
        "split_part",
        &[Text, Text, Int4],
        Text,
        "a field between separators, from 1; negative: from the end",
        |a| {
            let (text, by, n) = (str(&a[0])?, str(&a[1])?, int(&a[2])?);
            if n == 0 {
                return Err(Error::Borrowed("field position must not be zero"));
            }
            let parts: Vec<&str> = if by.is_empty() {
                vec![text]
            } else {
                text.split(by).collect()
            };
            let at = if n > 0 { n - 1 } else { parts.len() as i64 + n };
            let part = usize::try_from(at).ok().and_then(|at| parts.get(at));
            made(part.copied().unwrap_or(""))
        },
    ),
    total(
        "strpos",
        &[Text, Text],
        Int4,
        "where one text is in another, from 1; 0 = nowhere",
        |a| {
            let (text, part) = (str(&a[0])?, str(&a[1])?);
            count(match text.find(part) {
                Some(at) => text[..at].chars().count() + 1,
                None => 0,
            })
        },
    ),
    total(
        "starts_with",
        &[Text, Text],
        Bool,
        "does it begin so?",
        |a| Ok(Datum::Bool(str(&a[0])?.starts_with(str(&a[1])?))),
    ),
    total("reverse", &[Text], Text, "backwards", |a| {
        made(str(&a[0])?.chars().rev().collect::<String>())
    }),
    partial("repeat", &[Text, Int4], Text, "so many times", |a| {
        let (text, n) = (str(&a[0])?, int(&a[1])?.max(0));
        if n * text.len() as i64 > MADE_MAX {
            return Err(Error::Borrowed("a text of more than 65536 bytes"));
        }
        made(text.repeat(n as usize))
    }),
    partial(
        "lpad",
        &[Text, Int4],
        Text,
        "filled up in front with spaces",
        |a| pad(a, " ", true),
    ),
    partial(
        "lpad",
        &[Text, Int4, Text],
        Text,
        "filled up in front",
        |a| pad(a, str(&a[2])?, true),
    ),
    partial(
        "rpad",
        &[Text, Int4],
        Text,
        "filled up behind with spaces",
        |a| pad(a, " ", false),
    ),
    partial("rpad", &[Text, Int4, Text], Text, "filled up behind", |a| {
        pad(a, str(&a[2])?, false)
    }),
    partial(
        "like",
        &[Text, Text],
        Bool,
        "`%` is any text, `_` any character, `\\` takes the next as it is",
        |a| Ok(Datum::Bool(like(str(&a[0])?, str(&a[1])?)?)),
    ),
    partial(
        "ilike",
        &[Text, Text],
        Bool,
        "as `like`, whatever the case",
        |a| {
            let (text, pattern) = (str(&a[0])?.to_lowercase(), str(&a[1])?.to_lowercase());
            Ok(Datum::Bool(like(&text, &pattern)?))
        },
    ),
    total("ascii", &[Text], Int4, "code of the first character", |a| {
        Ok(Datum::Int(
            str(&a[0])?
                .chars()
                .next()
                .map_or(0, |c| i64::from(u32::from(c))),
        ))
    }),
];

fn substring(a: &[Datum<'_>]) -> Result<Datum<'static>, Error> {
    let (start, len) = (int(&a[1])?, int(&a[2])?);
    if len < 0 {
        return Err(Error::Borrowed("negative substring length not allowed"));
    }
    made(slice(str(&a[0])?, start, start + len))
}

pub(super) static ALL: &[&[Function]] = &[&FUNCTIONS];

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("UA1545", "UA%", true),
            ("UA1545", "%5", true),
            ("UA1545", "%4%4%", false),
            ("UA1545", "%5%5", true),
            ("UA1545", "U_1545", true),
            ("UA1545", "U_", false),
            ("50%", "50\\%", true),
            ("500", "50\\%", false),
            ("aab", "%ab", true),
            ("abcabd", "%ab_", true),
        ] {
            assert_eq!(like(text, pattern), Ok(expected), "{text} LIKE {pattern}");
        }
        assert!(like("a", "a\\").is_err());
    }
}
