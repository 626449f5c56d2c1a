//! Changes applied to small sorted lists, and runs taken off sorted changes.

use flightline_dataflows::changelog::Change;

/// The leading changes for which `same` holds; they are taken off `rows`.
pub(crate) fn take_run<'a, R>(
    rows: &mut &'a [Change<R>],
    same: impl Fn(&R) -> bool,
) -> &'a [Change<R>] {
    let len = rows.iter().take_while(|(row, _)| same(row)).count();
    let (run, rest) = rows.split_at(len);
    *rows = rest;
    run
}

/// Applies changes to a list that is kept sorted and never has room to spare.
///
/// # Panics
/// As [`replace`] does.
pub(crate) fn replace_exact<R: Ord + Clone + std::fmt::Debug>(
    list: &mut Box<[R]>,
    changes: &[Change<R>],
) {
    if changes.is_empty() {
        return;
    }
    let mut rows = std::mem::take(list).into_vec();
    replace(&mut rows, changes);
    *list = rows.into_boxed_slice();
}

/// Applies changes to a list that is kept sorted.
///
/// # Panics
/// When a row that goes is not there, or one that comes is: the changelog is broken.
pub(crate) fn replace<R: Ord + Clone + std::fmt::Debug>(list: &mut Vec<R>, changes: &[Change<R>]) {
    for (row, diff) in changes {
        assert!(
            matches!(diff, 1 | -1),
            "an epoch changes a row by {diff}: {row:?}"
        );
        if *diff == -1 {
            match list.binary_search(row) {
                Ok(at) => {
                    list.remove(at);
                }
                Err(_) => panic!("a row goes that is not there: {row:?}"),
            }
        }
    }
    let come = changes.iter().filter(|(_, diff)| *diff == 1);
    list.reserve_exact(come.clone().count());
    for (row, _) in come {
        match list.binary_search(row) {
            Err(at) => list.insert(at, row.clone()),
            Ok(_) => panic!("a row comes that is there already: {row:?}"),
        }
    }
}
