//! Which views a start begins with when several replicas have the same: those of their common database.
//!
//! The first replica with a folder of views brings them in; whoever comes later finds them there. While the database is
//! away, they are those that were known here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flightline_dataflows::sql::{Text, View, compile, name_of};

use super::note::{Note, carry_out, deeds};
use super::{Together, told};
use crate::config::ViewFiles;
use crate::several::views::{Change, Committed, NONE_YET, Set, SharedViews};

/// What a start begins with, given what is in its folder. Puts the folder right: it is a copy. Blocking.
///
/// # Errors
/// The database refuses; or views that nobody has yet have problems.
pub(crate) fn begin(
    store: Arc<SharedViews>,
    is_away: bool,
    data_dir: &Path,
    files: ViewFiles,
) -> anyhow::Result<(ViewFiles, Together)> {
    let note = match Note::load(data_dir) {
        Err(error) if !is_away => {
            tracing::warn!("{error:#}; it is written anew");
            None
        }
        loaded => loaded?,
    };
    let set = match (is_away, &note) {
        (false, _) => bring_in(&store, &files)?,
        (true, Some(note)) => note.set(),
        (true, None) => Set::default(),
    };
    if set.version == NONE_YET {
        // Nobody has any: those of the folder, until the database says otherwise.
        let views = compiled(&files)?;
        let together = Together::new(store, data_dir, Note::default(), BTreeMap::new());
        return Ok((ViewFiles { views, ..files }, together));
    }
    let homes = homes(&set, note.as_ref(), &files);
    let found = files.texts.iter();
    let found: BTreeMap<String, String> = found.map(|t| (t.file.clone(), t.text.clone())).collect();
    let deeds = deeds(note.as_ref(), &set, &homes, &found);
    let mut note = note.unwrap_or_default().next(&set, &homes);
    note.expect(&deeds, &found);
    // First the note: whatever a file has after a crash is known then.
    note.save(data_dir)?;
    carry_out(&deeds, &mut note);
    for (name, file) in &homes {
        if found.get(file) == set.views.get(name).map(|line| &line.text) {
            note.written(file);
        }
    }
    note.save(data_dir)?;
    let text = |(name, line): (&String, &crate::several::views::Line)| Text {
        file: match homes.get(name) {
            Some(file) => file.clone(),
            None => format!("{name}.yaml"),
        },
        text: line.text.clone(),
    };
    let texts = set.views.iter().map(text).collect();
    let (texts, views, left_out) = compile_most(texts);
    for (file, reason) in &left_out {
        tracing::error!(file, "a view of the replicas does not run here: {reason}");
    }
    let together = Together::new(store, data_dir, note, left_out);
    let files = ViewFiles {
        texts,
        views,
        ..files
    };
    Ok((files, together))
}

/// The views that all have; those of this folder, if nobody has any.
fn bring_in(store: &SharedViews, files: &ViewFiles) -> anyhow::Result<Set> {
    let doing = "the views that the replicas share";
    let set = store.read().context(doing)?;
    if set.version != NONE_YET || files.texts.is_empty() {
        return Ok(set);
    }
    let mut change = Change::default();
    for view in compiled(files)? {
        let text = files.texts.iter().find(|text| text.file == view.file);
        let text = text.map(|text| text.text.clone()).unwrap_or_default();
        change.puts.insert(view.name.clone(), text);
    }
    if let Committed::Done(_) = store.commit(set.version, &change).context(doing)? {
        tracing::info!(
            views = change.puts.len(),
            "the views of this folder are those of all replicas now"
        );
    }
    // By this replica, or by one that was faster.
    store.read().context(doing)
}

fn compiled(files: &ViewFiles) -> anyhow::Result<Vec<Arc<View>>> {
    compile(files.texts.clone()).map_err(|problems| {
        anyhow::anyhow!(
            "dataflow.views: nothing was started, since there are problems\n{}",
            told(&problems)
        )
    })
}

/// Where the files of views are: where there is a file of that view, or was, or else in the folder.
fn homes(set: &Set, note: Option<&Note>, files: &ViewFiles) -> BTreeMap<String, String> {
    let named = files.texts.iter().filter_map(|text| {
        let name = name_of(text).ok()?;
        Some((name, text.file.clone()))
    });
    let named: BTreeMap<String, String> = named.collect();
    let is_watched = |file: &&str| {
        let path = Path::new(file);
        let mut paths = files.paths.iter();
        paths.any(|watched| path == watched || path.parent() == Some(watched))
    };
    let home = |name: &String| {
        let noted = || note?.file(name).filter(is_watched).map(str::to_owned);
        let there = |file: &String| files.texts.iter().any(|text| text.file == *file);
        let new = || {
            let path = files.folder.as_ref()?.join(format!("{name}.yaml"));
            Some(path.display().to_string())
        };
        let known = noted().filter(there);
        let known = known.or_else(|| named.get(name).cloned());
        let home = known.or_else(noted).or_else(new)?;
        Some((name.clone(), home))
    };
    set.views.keys().filter_map(home).collect()
}

type Compiled = (Vec<Text>, Vec<Arc<View>>, BTreeMap<String, String>);

/// The views that go together, and why others do not: a release may know more than another.
fn compile_most(mut texts: Vec<Text>) -> Compiled {
    let mut left_out = BTreeMap::new();
    loop {
        let problems = match compile(texts.clone()) {
            Ok(views) => return (texts, views, left_out),
            Err(problems) => problems,
        };
        let before = texts.len();
        for problem in &problems {
            texts.retain(|text| text.file != problem.file);
            left_out.insert(problem.file.clone(), told(std::slice::from_ref(problem)));
        }
        if texts.len() == before {
            // Problems of no file.
            return (Vec::new(), Vec::new(), left_out);
        }
    }
}
