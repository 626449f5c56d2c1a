//! Lists by cursor.
//!
//! A cursor names an item by a digest, and where it stood. Lists are made anew for each page: an
//! item that is gone by then is replaced by its place.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::Query;

/// Most items in a page, and how many when none are asked for.
const LIMIT_MAX: u64 = 200;
const LIMIT_DEFAULT: u64 = 50;

/// The page that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    limit: usize,
    after: Option<Cursor>,
    before: Option<Cursor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    at: u32,
    digest: u64,
}

/// About a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListMeta)]
pub(crate) struct ListMeta {
    /// The most items that were asked for.
    limit: usize,
    /// Cursor of what comes after this page; null = this is the last.
    after: Option<String>,
    /// Cursor of what comes before this page; null = this is the first.
    before: Option<String>,
}

impl Page {
    /// From `limit`, `after` and `before`.
    pub(crate) fn parse(query: &Query<'_>) -> Result<Self, ApiError> {
        let limit = query.number("limit", 1, LIMIT_MAX)?;
        Ok(Self {
            limit: limit.unwrap_or(LIMIT_DEFAULT) as usize,
            after: cursor(query, "after")?,
            before: cursor(query, "before")?,
        })
    }

    /// The part of a list that is the page. `digest` tells items apart.
    pub(crate) fn of<T>(self, items: &[T], digest: impl Fn(&T) -> u64) -> (Range<usize>, ListMeta) {
        let place = |cursor: Cursor| {
            let at = cursor.at as usize;
            let is_it = |item: &T| digest(item) == cursor.digest;
            if items.get(at).is_some_and(is_it) {
                return (at, true);
            }
            match items.iter().position(is_it) {
                Some(at) => (at, true),
                None => (at.min(items.len()), false),
            }
        };
        // What took the place of a lost item comes after it.
        let from = self
            .after
            .map(place)
            .map(|(at, found)| at + usize::from(found));
        let until = self.before.map_or(items.len(), |cursor| place(cursor).0);
        let range = match from {
            Some(from) => {
                from.min(until)
                    ..until
                        .min(from.saturating_add(self.limit))
                        .max(from.min(until))
            }
            None if self.before.is_some() => until.saturating_sub(self.limit)..until,
            None => 0..until.min(self.limit),
        };
        let cursor = |at: usize| {
            items.get(at).map(|item| {
                let at = at as u32;
                encode(Cursor {
                    at,
                    digest: digest(item),
                })
            })
        };
        let meta = ListMeta {
            limit: self.limit,
            after: (!range.is_empty() && range.end < items.len())
                .then(|| cursor(range.end - 1))
                .flatten(),
            before: (!range.is_empty() && range.start > 0)
                .then(|| cursor(range.start))
                .flatten(),
        };
        (range, meta)
    }
}

/// The digest of a text, for [`Page::of`].
pub(crate) fn digest(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut out = [0; 8];
    out.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(out)
}

fn encode(cursor: Cursor) -> String {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&cursor.at.to_be_bytes());
    bytes[4..].copy_from_slice(&cursor.digest.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn cursor(query: &Query<'_>, name: &'static str) -> Result<Option<Cursor>, ApiError> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    let bytes: Option<[u8; 12]> = decoded.and_then(|bytes| bytes.try_into().ok());
    let Some(bytes) = bytes else {
        return Err(ApiError::new(
            &faults::VALIDATION_FORMAT,
            format!("parameter `{name}` must be a cursor from the `meta` of an earlier page"),
        )
        .field(name));
    };
    let n = bytes.iter().fold(0_u128, |n, b| n << 8 | u128::from(*b));
    Ok(Some(Cursor {
        at: (n >> 64) as u32,
        digest: n as u64,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &[u64], text: &str) -> (Vec<u64>, ListMeta) {
        let page = Page::parse(&Query::parse_any(Some(text)).unwrap()).unwrap();
        let (range, meta) = page.of(items, |n| *n);
        (items[range].to_vec(), meta)
    }

    #[test]
    fn pages_go_to_the_end_and_back() {
        let items: Vec<u64> = (100..107).collect();
        let (first, meta) = page(&items, "limit=3");
        assert_eq!(first, [100, 101, 102]);
        assert_eq!(meta.before, None);
        let (second, meta) = page(&items, &format!("limit=3&after={}", meta.after.unwrap()));
        assert_eq!(second, [103, 104, 105]);
        let (last, end) = page(&items, &format!("limit=3&after={}", meta.after.unwrap()));
        assert_eq!((last, end.after), (vec![106], None));
        let (back, meta) = page(&items, &format!("limit=3&before={}", end.before.unwrap()));
        assert_eq!(back, [103, 104, 105]);
        let (back, meta) = page(&items, &format!("limit=3&before={}", meta.before.unwrap()));
        assert_eq!((back, meta.before), (vec![100, 101, 102], None));
    }

    #[test]
    fn a_lost_item_is_replaced_by_its_place() {
        let items: Vec<u64> = (100..107).collect();
        let (_, meta) = page(&items, "limit=3");
        let after = meta.after.unwrap();
        let without: Vec<u64> = items.iter().copied().filter(|n| *n != 102).collect();
        let (next, _) = page(&without, &format!("limit=2&after={after}"));
        assert_eq!(next, [103, 104]);
        let mut moved = items.clone();
        moved.insert(0, 99);
        let (next, _) = page(&moved, &format!("limit=2&after={after}"));
        assert_eq!(next, [103, 104]);
        let (none, meta) = page(&[], &format!("limit=2&after={after}"));
        assert!(none.is_empty() && meta.after.is_none() && meta.before.is_none());
    }

    #[test]
    fn cursors_that_are_none_are_refused() {
        for text in [
            "after=",
            "after=x",
            "before=AAAAAAAAAAAAAAAAAAAA",
            "limit=0",
        ] {
            assert!(
                Page::parse(&Query::parse_any(Some(text)).unwrap()).is_err(),
                "{text}"
            );
        }
    }
}
