//! Views of several replicas: what is changed at one of them becomes live at all.
//!
//! Their common database has the files of all views, under a count that every change moves on (`several/views.rs`). A
//! change that is made here is checked here and prepared, then committed there, if nobody was faster, and then it is
//! live here, and the files follow. What others commit is seen within a second, and takes the same way, but for
//! the checks: it was checked there. Nothing waits for the database but the change itself.
//!
//! A view that fails here alone is left out here, and that is said; the others, and the count, go on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flightline_api::backend::{ViewFault, ViewFileLine};
use flightline_dataflows::sql::{Text, View};
use parking_lot::Mutex;

use super::note::{Note, carry_out, deeds};
use super::{Files, Hindrance, LiveViews, Plan, told};
use crate::several::views::{Change, Committed, NONE_YET, Set, SharedViews};

/// When it is tried again to make views live that were left out here.
const AGAIN: Duration = Duration::from_secs(30);

/// After what may pass soon.
const PAUSE: Duration = Duration::from_secs(5);

/// What there is to it beside the views themselves.
pub(crate) struct Together {
    store: Arc<SharedViews>,
    data_dir: PathBuf,
    /// The count of changes that are live here.
    applied: AtomicI64,
    state: Mutex<State>,
    is_away: AtomicBool,
}

#[derive(Default)]
struct State {
    note: Note,
    /// The note is not written.
    owes: bool,
    /// Files of views that could not be made live here, and why.
    left_out: BTreeMap<String, String>,
    again: Option<Instant>,
    /// Nothing is looked at before, since it could not be made live for a reason that passes.
    pause: Option<Instant>,
}

/// What a change was, for whoever takes it back.
pub(super) struct Published {
    version: i64,
    set: Set,
    back: Change,
}

impl Together {
    pub(super) fn new(
        store: Arc<SharedViews>,
        data_dir: &Path,
        note: Note,
        left_out: BTreeMap<String, String>,
    ) -> Self {
        let applied = AtomicI64::new(note.version());
        let again = (!left_out.is_empty()).then(|| Instant::now() + AGAIN);
        let state = State {
            note,
            owes: false,
            left_out,
            again,
            pause: None,
        };
        Self {
            store,
            data_dir: data_dir.to_owned(),
            applied,
            state: Mutex::new(state),
            is_away: AtomicBool::new(false),
        }
    }

    /// The count of changes that are live here.
    pub(super) fn applied(&self) -> i64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Is that a copy of what all have, or had, and so no change of this file?
    pub(super) fn is_copy(&self, file: &str, text: Option<&String>) -> bool {
        let state = self.state.lock();
        text.is_some_and(|text| state.note.knows(file, text))
    }

    /// Files whose views were left out, as the list of files shows them.
    pub(super) fn left_out(&self) -> Vec<ViewFileLine> {
        let at_ms = now_ms();
        let state = self.state.lock();
        let lines = state.left_out.iter().map(|(file, reason)| ViewFileLine {
            file: file.clone(),
            reason: Some(reason.clone()),
            at_ms,
        });
        lines.collect()
    }

    /// Makes what is prepared here everybody's, if it was prepared over what all have.
    pub(super) fn publish(
        &self,
        files: &Files,
        plan: &Plan,
        anew: &BTreeSet<String>,
    ) -> Result<Published, Hindrance> {
        let version = self.applied();
        let before = self.state.lock().note.set();
        let text = |texts: &[Text], view: &View| {
            let text = texts.iter().find(|text| text.file == view.file);
            text.map(|text| text.text.clone()).unwrap_or_default()
        };
        let mut change = Change::default();
        for view in &plan.views {
            let new = text(&plan.texts, view);
            let old = files.view(&view.name).map(|old| text(&files.texts, old));
            let is_first = version == NONE_YET;
            if is_first || old.as_ref() != Some(&new) || anew.contains(&view.name) {
                change.puts.insert(view.name.clone(), new);
            }
        }
        let stays = |view: &&Arc<View>| plan.views.iter().any(|v| v.name == view.name);
        let gone = files.views.iter().filter(|view| !stays(view));
        change.removes = gone.map(|view| view.name.clone()).collect();
        let away = |error: &dyn std::fmt::Display| Hindrance::Fault {
            fault: ViewFault::Unavailable(format!(
                "the database that the replicas share cannot be asked, so nothing was changed here: {error}; once it \
                 answers, `flightline dataflow list` says whether the change was made"
            )),
            file: None,
        };
        match self.store.commit(version, &change).map_err(|e| away(&e))? {
            Committed::Overtaken => Err(Hindrance::Overtaken),
            Committed::Done(version) => {
                let mut set = before.clone();
                set.apply(&change, version);
                Ok(Published {
                    version,
                    set,
                    back: back(&before, &change),
                })
            }
        }
    }

    /// Takes a change back that did not become live here.
    pub(super) fn withdraw(&self, published: &Published) {
        match self.store.commit(published.version, &published.back) {
            Ok(Committed::Done(_)) => {}
            // Whoever came after it has decided over it.
            Ok(Committed::Overtaken) => {}
            Err(error) => {
                tracing::error!(%error, "a change of views that failed here could not be taken back: the other replicas have it");
            }
        }
    }

    /// What was published is live here: the files and the note follow.
    pub(super) fn keep(&self, published: Published, files: &Files, folder: Option<&Path>) {
        self.now(&published.set, files, folder, BTreeMap::new());
    }

    /// These are the views; those of `left_out` (by file) are not live here.
    fn now(
        &self,
        set: &Set,
        files: &Files,
        folder: Option<&Path>,
        left_out: BTreeMap<String, String>,
    ) {
        let mut state = self.state.lock();
        let homes = homes(set, files, &state.note, folder);
        // Only what this change is about: what else somebody does to files is for the views to follow.
        let before = state.note.set();
        let changed = |name: &str| before.views.get(name) != set.views.get(name);
        let about: BTreeMap<String, String> = homes
            .iter()
            .filter(|(name, _)| changed(name))
            .map(|(name, file)| (name.clone(), file.clone()))
            .collect();
        let gone = before.views.keys().filter(|name| changed(name));
        let gone = gone.filter_map(|name| state.note.file(name).map(str::to_owned));
        let found = read(about.values().cloned().chain(gone));
        let deeds = deeds(Some(&state.note), set, &about, &found);
        state.note = state.note.next(set, &homes);
        state.note.expect(&deeds, &found);
        // First the note: whatever a file has after a crash is known then.
        self.save(&mut state);
        carry_out(&deeds, &mut state.note);
        for (name, file) in &about {
            let is_there = found.get(file) == set.views.get(name).map(|line| &line.text);
            if is_there {
                state.note.written(file);
            }
        }
        self.save(&mut state);
        state.again = (!left_out.is_empty()).then(|| Instant::now() + AGAIN);
        state.left_out = left_out;
        self.applied.store(set.version, Ordering::Release);
    }

    fn save(&self, state: &mut State) {
        let saved = state.note.save(&self.data_dir);
        let owes = saved.is_err();
        if let Err(error) = saved
            && !state.owes
        {
            tracing::warn!(
                "{error:#}; a start without the database would not know the views; trying again"
            );
        }
        state.owes = owes;
    }

    /// The views that all have, when they are not those that are live here, or some of those were left out a while
    /// ago.
    fn look(&self) -> Option<Set> {
        let now = Instant::now();
        if self.state.lock().pause.is_some_and(|pause| pause > now) {
            return None;
        }
        let looked = self.store.version().and_then(|version| {
            let is_due = self.state.lock().again.is_some_and(|at| at <= now);
            match version == self.applied() && !is_due {
                true => Ok(None),
                false => self.store.read().map(Some),
            }
        });
        match looked {
            Ok(set) => {
                self.is_away.store(false, Ordering::Relaxed);
                set
            }
            Err(error) => {
                if !self.is_away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "views cannot be looked at; the ones known so far go on");
                }
                None
            }
        }
    }
}

/// What undoes a change.
fn back(before: &Set, change: &Change) -> Change {
    let names = change.puts.keys().chain(&change.removes);
    let mut back = Change::default();
    for name in names {
        match before.views.get(name) {
            Some(line) => {
                back.puts.insert(name.clone(), line.text.clone());
            }
            None => back.removes.push(name.clone()),
        }
    }
    back
}

/// The files that there are, of these.
fn read(files: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let text = |file: String| {
        let text = std::fs::read_to_string(&file).ok()?;
        Some((file, text))
    };
    files.filter_map(text).collect()
}

/// Where the files of views are: where they were, or else in the folder.
fn homes(set: &Set, files: &Files, note: &Note, folder: Option<&Path>) -> BTreeMap<String, String> {
    let home = |name: &String| {
        let running = files.view(name).map(|view| view.file.clone());
        // Without a folder a view has a name for messages, and no file.
        let running = running.filter(|file| Path::new(file).is_absolute() || file.contains('/'));
        let noted = || note.file(name).map(str::to_owned);
        let new = || folder.map(|f| f.join(format!("{name}.yaml")).display().to_string());
        Some((name.clone(), running.or_else(noted).or_else(new)?))
    };
    set.views.keys().filter_map(home).collect()
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// How a view of another replica is tried here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    New,
    /// As it was before.
    Old,
    Out,
}

impl LiveViews {
    /// The count of changes that are live here; `None` = they are this replica's alone.
    pub(crate) fn applied(&self) -> Option<i64> {
        self.together.as_ref().map(Together::applied)
    }

    /// Makes live what other replicas have changed. Blocking.
    pub(super) fn follow(&self) {
        let Some(together) = &self.together else {
            return;
        };
        {
            let mut state = together.state.lock();
            if state.owes {
                together.save(&mut state);
            }
        }
        if together.look().is_some() {
            self.catch_up(&mut self.files.lock());
        }
    }

    /// The same, for whoever is about to make a change.
    pub(super) fn catch_up(&self, files: &mut Files) {
        let Some(together) = &self.together else {
            return;
        };
        // Once more: a change that was made here meanwhile is one of them.
        if let Some(set) = together.look() {
            self.take(together, files, &set);
        }
    }

    fn take(&self, together: &Together, files: &mut Files, set: &Set) {
        let (note, before) = {
            let state = together.state.lock();
            (state.note.clone(), state.note.set())
        };
        let homes = homes(set, files, &note, self.folder.as_deref());
        let file_of = |name: &String| match homes.get(name) {
            Some(file) => file.clone(),
            None => format!("{name}.yaml"),
        };
        let again = |(name, line): &(&String, &crate::several::views::Line)| {
            let old = before.views.get(*name);
            old.is_some_and(|old| old.version != line.version)
        };
        let anew = set.views.iter().filter(again);
        let anew: BTreeSet<String> = anew.map(|(name, _)| name.clone()).collect();
        let mut tries: BTreeMap<&String, Try> = set.views.keys().map(|n| (n, Try::New)).collect();
        let mut left_out: BTreeMap<String, String> = BTreeMap::new();
        loop {
            let mut texts = Vec::new();
            for (name, how) in &tries {
                let file = file_of(name);
                let running = || {
                    let view = files.view(name)?;
                    files.text(&view.file).map(|text| text.text.clone())
                };
                let text = match how {
                    Try::New => set.views.get(*name).map(|line| line.text.clone()),
                    Try::Old => running(),
                    Try::Out => None,
                };
                texts.extend(text.map(|text| Text { file, text }));
            }
            let made = self
                .plan(files, texts, &anew)
                .and_then(|plan| self.enact(files, plan, |_, _| Ok(()), |()| ()));
            let Err(hindrance) = made else { break };
            let (reason, is_passing) = match &hindrance {
                Hindrance::Problems(found) => (told(found), false),
                Hindrance::Fault { fault, .. } => (
                    fault.to_string(),
                    matches!(fault, ViewFault::Unavailable(_)),
                ),
                Hindrance::Overtaken => unreachable!("nothing was published"),
            };
            if is_passing {
                tracing::warn!(
                    "views that another replica has changed cannot be made live here yet: {reason}"
                );
                together.state.lock().pause = Some(Instant::now() + PAUSE);
                return;
            }
            let is_at_fault = |name: &&String| {
                let file = file_of(name);
                match &hindrance {
                    Hindrance::Problems(found) => found.iter().any(|p| p.file == file),
                    Hindrance::Fault { file: named, .. } => named.as_ref() == Some(&file),
                    Hindrance::Overtaken => false,
                }
            };
            let changed = |name: &&String| {
                let running = files.view(name).and_then(|view| files.text(&view.file));
                set.views.get(*name).map(|line| &line.text) != running.map(|text| &text.text)
            };
            let mut blamed: Vec<&String> = tries.keys().copied().filter(is_at_fault).collect();
            if blamed.is_empty() {
                blamed = tries.keys().copied().filter(changed).collect();
            }
            let mut has_moved = false;
            for name in blamed {
                let next = match tries.get(name) {
                    Some(Try::New) if changed(&name) && files.view(name).is_some() => Try::Old,
                    Some(Try::New | Try::Old) => Try::Out,
                    _ => continue,
                };
                tries.insert(name, next);
                left_out.insert(file_of(name), reason.clone());
                has_moved = true;
            }
            if !has_moved {
                tracing::error!(
                    "views that another replica has changed cannot be made live here: {reason}"
                );
                break;
            }
        }
        for (file, reason) in &left_out {
            tracing::error!(
                file,
                "a view of another replica is not as it is there: {reason}"
            );
        }
        if together.applied() != set.version {
            tracing::info!(
                version = set.version,
                "views are as another replica has changed them"
            );
        }
        together.now(set, files, self.folder.as_deref(), left_out);
    }
}
