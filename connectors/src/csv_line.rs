//! One line of CSV into its fields.
//!
//! By line on purpose: a reader for whole files takes an opening quote that was never closed as
//! the start of a field that runs over every line after it, and the file is lost. The formats read
//! here have no line breaks inside fields, so a line is a record and a fault stays inside it.

use std::borrow::Cow;

/// Splits a line at its commas; fields may stand in double quotes, with `""` for a quote.
/// `Err` says what is wrong.
pub(crate) fn split<'a>(line: &'a str, fields: &mut Vec<Cow<'a, str>>) -> Result<(), String> {
    fields.clear();
    if !line.contains('"') {
        fields.extend(line.split(',').map(Cow::Borrowed));
        return Ok(());
    }
    let mut rest = line;
    loop {
        let column = fields.len() + 1;
        let after = if let Some(inner) = rest.strip_prefix('"') {
            let (field, after) = quoted(inner)
                .ok_or_else(|| format!("the quote opened in column {column} is never closed"))?;
            fields.push(field);
            after
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            fields.push(Cow::Borrowed(&rest[..end]));
            &rest[end..]
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(()),
            None => return Err(format!("text follows the closing quote of column {column}")),
        }
    }
}

/// The field behind an opening quote, and what follows its closing quote.
fn quoted(inner: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    let mut doubled = false;
    loop {
        let at = from + inner[from..].find('"')?;
        if inner[at + 1..].starts_with('"') {
            doubled = true;
            from = at + 2;
            continue;
        }
        let field = &inner[..at];
        let field = if doubled {
            Cow::Owned(field.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(field)
        };
        return Some((field, &inner[at + 1..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        split(line, &mut out)?;
        Ok(out.into_iter().map(Cow::into_owned).collect())
    }

    #[test]
    fn lines_split_at_commas_outside_quotes() {
        for (line, want) in [
            ("a,b,c", vec!["a", "b", "c"]),
            ("a,,", vec!["a", "", ""]),
            ("", vec![""]),
            ("\"a\",\"b,c\",\"\"", vec!["a", "b,c", ""]),
            ("\"say \"\"hi\"\"\",x", vec!["say \"hi\"", "x"]),
            ("a\"b,c", vec!["a\"b", "c"]),
            ("\"ü\",é", vec!["ü", "é"]),
        ] {
            assert_eq!(fields(line).unwrap(), want, "{line}");
        }
    }

    #[test]
    fn broken_quotes_are_named() {
        assert!(fields("a,\"b,c").unwrap_err().contains("column 2"));
        assert!(fields("\"a\"b,c").unwrap_err().contains("column 1"));
        assert!(fields("\"\"\"").is_err());
    }
}
