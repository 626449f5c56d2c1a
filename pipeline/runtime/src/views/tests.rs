//! Replicas that have the same views, without their streams: one PostgreSQL, and a folder for each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flightline_api::backend::{ViewChange, ViewFault};
use flightline_connectors::database::{Schema, Session};
use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_dataflows::live::{History, Views};
use flightline_dataflows::rows::DecisionRow;
use flightline_dataflows::sql::Text;
use flightline_sinks::postgres::{PrivateConfig, PrivatePostgres};
use tempfile::TempDir;

use super::{LiveViews, Setup, begin};
use crate::config::ViewFiles;
use crate::database::Database;
use crate::several::shared;
use crate::several::views::{Change, Committed, SharedViews};

struct Nobody;

impl EpochSink for Nobody {
    fn epoch(&mut self, _: Arc<Epoch>) {}
}

impl History for Nobody {
    fn decisions(
        &self,
        _: &[u64],
        _: i64,
        _: &mut dyn FnMut(DecisionRow) -> bool,
    ) -> Result<(), String> {
        Ok(())
    }
}

fn postgres() -> (TempDir, PrivatePostgres) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    // The server's account goes through it when the test runs as root.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let postgres = PrivatePostgres::start(&PrivateConfig::new(folder.path())).unwrap();
    (folder, postgres)
}

fn store(postgres: &PrivatePostgres) -> Arc<SharedViews> {
    let connect = postgres.address().config();
    Arc::new(SharedViews::later(&connect, "a test".to_owned()).unwrap())
}

fn by(name: &str, column: &str) -> String {
    format!(
        "name: {name}\ndescription: Holds.\nsql: |\n  SELECT {column}, count(*) AS n FROM holds GROUP BY {column}\n\
         sink: {{postgres: {{key: [{column}]}}}}\n"
    )
}

fn put(texts: &[(&str, String)]) -> Change {
    let puts = texts.iter();
    Change {
        puts: puts
            .map(|(n, text)| ((*n).to_owned(), text.clone()))
            .collect(),
        removes: Vec::new(),
    }
}

/// A replica's folders, between its starts.
struct Place {
    data: TempDir,
    views: TempDir,
}

struct Running {
    live: LiveViews,
    database: Database,
    _views: Views,
}

impl Place {
    fn new(files: &[(&str, String)]) -> Self {
        let place = Self {
            data: tempfile::tempdir().unwrap(),
            views: tempfile::tempdir().unwrap(),
        };
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.views.path().join(format!("{name}.yaml")), text).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.views.path().join(format!("{name}.yaml"))).ok()
    }

    fn start(&self, store: &Arc<SharedViews>, is_away: bool, url: &str) -> Running {
        let folder: &Path = self.views.path();
        let entries = std::fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
        let text = |path: std::path::PathBuf| Text {
            text: std::fs::read_to_string(&path).unwrap(),
            file: path.display().to_string(),
        };
        let files = ViewFiles {
            folder: Some(folder.to_owned()),
            paths: vec![folder.to_owned()],
            texts: paths.map(text).collect(),
            views: Vec::new(),
        };
        let (files, together) = begin(store.clone(), is_away, self.data.path(), files).unwrap();
        let setup = Setup {
            partitions: 1,
            workers: 1,
            data_dir: self.data.path(),
            together: Some(together),
            past: Arc::new(Nobody),
        };
        let (views, live) = LiveViews::start(setup, files, Nobody, |_| {}).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let database = runtime.block_on(Database::of_stopped(self.data.path(), Some(url)));
        Running {
            live,
            database: database.unwrap().unwrap(),
            _views: views,
        }
    }
}

impl Running {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.live.list().into_iter().map(|l| l.name).collect();
        names.sort();
        names
    }

    fn add(&self, name: &str, text: String) -> Result<(), ViewFault> {
        let name = name.to_owned();
        let added = self
            .live
            .change(&self.database, ViewChange::Add { name, text });
        added.map(|_| ())
    }

    fn remove(&self, name: &str) -> Result<(), ViewFault> {
        let name = name.to_owned();
        let removed = self
            .live
            .change(&self.database, ViewChange::Remove { name });
        removed.map(|_| ())
    }
}

/// On a thread that may wait, as those of requests.
async fn blocking(test: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(test).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_come_go_and_come_back_have_the_same_views() {
    blocking(|| {
        let (_folder, postgres) = postgres();
        let (store, url) = (store(&postgres), postgres.address().url());
        // The first one brings its folder in; the second has other files.
        let a = Place::new(&[("one", by("one", "cabin"))]);
        let b = Place::new(&[("one", by("one", "class")), ("old", by("old", "class"))]);
        let at_a = a.start(&store, false, &url);
        let at_b = b.start(&store, false, &url);
        assert_eq!(
            (at_a.names(), at_b.names()),
            (vec!["one".to_owned()], vec!["one".to_owned()])
        );
        assert_eq!(b.read("one"), a.read("one"));
        assert_eq!(b.read("old"), None, "nobody has it");
        let aside = std::fs::read_to_string(b.views.path().join(".old.yaml.before"));
        assert_eq!(aside.unwrap(), by("old", "class"), "it is not lost");

        // A change at the second, with no word to the first.
        at_b.add("two", by("two", "provider")).unwrap();
        at_a.live.follow();
        assert_eq!(at_a.names(), ["one", "two"]);
        assert_eq!(a.read("two"), b.read("two"));
        // While the first is down, one goes; it has the file, and does not bring it back.
        drop(at_a);
        at_b.remove("one").unwrap();
        assert!(a.read("one").is_some());
        let at_a = a.start(&store, false, &url);
        assert_eq!(
            (at_a.names(), a.read("one")),
            (vec!["two".to_owned()], None)
        );
        at_b.live.follow();
        assert_eq!(at_b.names(), ["two"]);

        // Without the database a start knows what it knew, files or not; a file that is missing takes nothing away.
        drop(at_a);
        std::fs::remove_file(a.views.path().join("two.yaml")).unwrap();
        let at_a = a.start(&store, true, "postgres://nobody@127.0.0.1:1/none");
        assert_eq!(at_a.names(), ["two"]);
        assert_eq!(a.read("two"), b.read("two"));
        let refused = at_a.add("three", by("three", "class")).unwrap_err();
        assert!(matches!(refused, ViewFault::Unavailable(_)), "{refused:?}");
        // A folder that is as it was is not a word against what all have now.
        drop(at_a);
        at_b.remove("two").unwrap();
        at_b.add("two", by("two", "status")).unwrap();
        let at_a = a.start(&store, false, &url);
        assert_eq!(a.read("two"), Some(by("two", "status")));
        assert_eq!(at_a.names(), ["two"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_over_the_same_views_one_is_made() {
    blocking(|| {
        let (_folder, postgres) = postgres();
        let (store, url) = (store(&postgres), postgres.address().url());
        let place = Place::new(&[("one", by("one", "cabin"))]);
        let running = place.start(&store, false, &url);
        let version = store.version().unwrap();
        let faster = put(&[("two", by("two", "class"))]);
        let done = store.commit(version, &faster).unwrap();
        assert_eq!(done, Committed::Done(version + 1));
        let later = put(&[("three", by("three", "class"))]);
        assert_eq!(store.commit(version, &later).unwrap(), Committed::Overtaken);
        assert!(!store.read().unwrap().views.contains_key("three"));

        // A change here sees first what was changed elsewhere; one that is overtaken later leaves nothing.
        let refused = running.add("two", by("two", "cabin")).unwrap_err();
        assert!(refused.to_string().contains("already"), "{refused}");
        assert_eq!(running.live.applied(), Some(version + 1));
        running.add("three", by("three", "class")).unwrap();
        assert_eq!(store.version().unwrap(), version + 2);
        assert_eq!(running.live.applied(), Some(version + 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_does_not_run_here_is_left_out_and_told_and_the_others_go_on() {
    blocking(|| {
        let (_folder, postgres) = postgres();
        let (store, url) = (store(&postgres), postgres.address().url());
        let place = Place::new(&[("one", by("one", "cabin"))]);
        let running = place.start(&store, false, &url);
        // As a release would that knows more: one comes, one reads it, one is replaced, and one is fine.
        let newer = "name: newer\ndescription: X.\nsql: |\n  SELECT of_tomorrow(seats) AS n FROM holds\n\
                     sink: {postgres: {key: [n]}}\n";
        let reader = "name: reader\ndescription: X.\nsql: |\n  SELECT n FROM newer\nsink: {postgres: {key: [n]}}\n";
        let change = put(&[
            ("newer", newer.to_owned()),
            ("reader", reader.to_owned()),
            ("one", newer.replace("name: newer", "name: one")),
            ("fine", by("fine", "class")),
        ]);
        let done = store.commit(running.live.applied().unwrap(), &change);
        let Ok(Committed::Done(version)) = done else {
            panic!("{done:?}");
        };
        running.live.follow();
        assert_eq!(running.names(), ["fine", "one"]);
        assert_eq!(running.live.applied(), Some(version), "the tables may be taken over");
        let told = |running: &Running, name: &str| {
            let files = running.live.folder().files;
            let line = files.into_iter().find(|line| line.file.ends_with(name));
            line.and_then(|line| line.reason).unwrap_or_default()
        };
        assert!(told(&running, "/newer.yaml").contains("of_tomorrow"));
        assert!(told(&running, "/one.yaml").contains("of_tomorrow"));
        assert!(!told(&running, "/reader.yaml").is_empty());
        assert_eq!(place.read("newer").as_deref(), Some(newer), "the folder is a copy");
        // A change here takes nothing from the others, who run it.
        running.add("more", by("more", "status")).unwrap();
        assert!(store.read().unwrap().views.contains_key("newer"));
        // Nor does a start.
        drop(running);
        let running = place.start(&store, false, &url);
        assert_eq!(running.names(), ["fine", "more"]);
        assert!(told(&running, "/one.yaml").contains("of_tomorrow"));
        assert_eq!(store.version().unwrap(), version + 1);
    })
    .await;
}

/// A database of a release that had no such table.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_made_beside_those_that_an_earlier_release_has_made() {
    blocking(|| {
        let (_folder, postgres) = postgres();
        let connect = postgres.address().config();
        let schema = shared::SCHEMA;
        let before = Schema {
            name: schema.name,
            steps: &schema.steps[..1],
        };
        let session = Session::open(connect, before, Duration::from_secs(30)).unwrap();
        let keep = "INSERT INTO flightline_shared.secret (name, value) VALUES ('x', '\\x00')";
        let kept = session.call("keeping", async |client| client.batch_execute(keep).await);
        kept.unwrap();
        drop(session);
        let store = store(&postgres);
        assert_eq!(store.version().unwrap(), 0);
        assert!(store.read().unwrap().views.is_empty());
        let done = store
            .commit(0, &put(&[("one", by("one", "cabin"))]))
            .unwrap();
        assert_eq!(done, Committed::Done(1));
        assert_eq!(store.read().unwrap().views["one"].version, 1);
    })
    .await;
}
