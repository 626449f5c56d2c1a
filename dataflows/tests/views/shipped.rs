//! The views that come with the program.

use flightline_dataflows::sql::{compile, run_examples};

use crate::{files, folder};

#[test]
fn shipped_views_are_sound_and_their_examples_hold() {
    let views = compile(files(&folder("views"))).unwrap_or_else(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"));
    });
    assert!(views.len() >= 8);
    for view in views {
        let outcomes = run_examples(&view);
        assert!(!outcomes.is_empty(), "{} has no example", view.name);
        for outcome in outcomes {
            if let Some(problem) = outcome.problem {
                panic!("{problem}");
            }
        }
    }
}
