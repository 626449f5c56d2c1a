//! Lists in pages, newest first.

use super::error::WebhooksError;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items at most, 1 to 200.
    pub limit: usize,
    /// Those older than this cursor.
    pub after: Option<String>,
    /// Those newer than this cursor. Not together with `after`.
    pub before: Option<String>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            limit: 50,
            after: None,
            before: None,
        }
    }
}

/// A part of a list, with what leads to its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// The limit that was applied.
    pub limit: usize,
    /// Cursor of the older neighbour; `None` = this is the last page.
    pub after: Option<String>,
    /// Cursor of the newer neighbour.
    pub before: Option<String>,
}

/// What a list has to look up: places from `from` up to `to`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) newest_first: bool,
    pub(super) count: usize,
}

/// Makes a page from `(place, item)` in the order that was asked for.
pub(super) fn paged<T>(
    page: &Page,
    fetch: impl FnOnce(Wanted) -> Result<Vec<(u64, T)>, WebhooksError>,
) -> Result<PageOf<T>, WebhooksError> {
    if !(1..=200).contains(&page.limit) {
        return Err(WebhooksError::Limit(page.limit));
    }
    let mut wanted = Wanted {
        from: 0,
        to: u64::MAX,
        newest_first: true,
        count: page.limit + 1,
    };
    match (&page.after, &page.before) {
        (Some(_), Some(_)) => return Err(WebhooksError::Cursor),
        (Some(after), None) => match read(after)?.checked_sub(1) {
            Some(to) => wanted.to = to,
            None => wanted.count = 0,
        },
        (None, Some(before)) => {
            wanted.newest_first = false;
            match read(before)?.checked_add(1) {
                Some(from) => wanted.from = from,
                None => wanted.count = 0,
            }
        }
        (None, None) => {}
    }
    let mut found = match wanted.count {
        0 => Vec::new(),
        _ => fetch(wanted)?,
    };
    let has_more = found.len() > page.limit;
    found.truncate(page.limit);
    if !wanted.newest_first {
        found.reverse();
    }
    let first = found.first().map(|(place, _)| write(*place));
    let last = found.last().map(|(place, _)| write(*place));
    Ok(PageOf {
        limit: page.limit,
        after: last.filter(|_| has_more || !wanted.newest_first),
        before: first.filter(|_| match wanted.newest_first {
            true => page.after.is_some(),
            false => has_more,
        }),
        items: found.into_iter().map(|(_, item)| item).collect(),
    })
}

fn write(place: u64) -> String {
    format!("c{place:x}")
}

fn read(cursor: &str) -> Result<u64, WebhooksError> {
    let digits = cursor.strip_prefix('c');
    let digits = digits.filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
    digits
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or(WebhooksError::Cursor)
}
