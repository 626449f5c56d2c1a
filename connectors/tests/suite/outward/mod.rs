//! Orders out: what every way to a provider must do, run against each.
//!
//! - `server`: a provider over HTTP, with signed JSON and with Duffel's order interface. `request`: what it reads.
//! - `lines`: a provider that reads and writes teletype files.
//! - `erasing`: what goes out of files, and when. `kill`: with the process killed at any moment.

mod erasing;
mod kill;
mod lines;
mod request;
#[path = "../../../src/outward/testing.rs"]
mod sample;
mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::outward::{
    Answer, OutwardConfig, OutwardService, Placed, Placement, PlacementKey, Secret, Traveller,
};
use parking_lot::Mutex;

/// What a provider has, and how it behaves.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// It refuses what is new, with this code.
    pub(crate) refuses: Option<&'static str>,
    /// It does what it is asked, and its answers are lost.
    pub(crate) loses: bool,
    /// It answers nothing, and does nothing.
    pub(crate) down: bool,
    /// Sales by placement: true = taken, false = forgotten again.
    pub(crate) sales: std::collections::BTreeMap<String, bool>,
    /// How often a sale was taken, over all.
    pub(crate) taken: usize,
}

pub(crate) type Shared = Arc<Mutex<Books>>;

impl Books {
    /// Takes a sale, unless it has it. What was forgotten is not taken any more.
    pub(crate) fn take(&mut self, key: &str) -> Result<(), &'static str> {
        if let Some(code) = self.refuses.filter(|_| !self.sales.contains_key(key)) {
            return Err(code);
        }
        match self.sales.get(key) {
            Some(true) => Ok(()),
            Some(false) => Err("NO"),
            None => {
                self.sales.insert(key.to_owned(), true);
                self.taken += 1;
                Ok(())
            }
        }
    }

    pub(crate) fn forget(&mut self, key: &str) {
        self.sales.insert(key.to_owned(), false);
    }

    fn has(&self, key: PlacementKey) -> bool {
        self.sales.get(&key.to_string()) == Some(&true)
    }
}

/// A provider and the way to it.
struct Stand {
    books: Shared,
    way: Arc<dyn OutwardService>,
    /// Lets a provider that does not listen all the time do its work.
    turn: Box<dyn Fn()>,
    /// A refusal has the provider's own code.
    code: &'static str,
}

/// Two seats, one of them a child's.
fn placement(key: u128) -> Placement {
    Placement {
        seats: 2,
        travellers: vec![
            sample::traveller("Amelia", "1987-07-24"),
            sample::traveller("Amy", "2020-02-29"),
        ],
        ..sample::placement(key)
    }
}

impl Stand {
    /// Asks until somebody knows.
    async fn place(&self, placement: &Placement) -> Answer<Placed> {
        let mut placement = placement.clone();
        for _ in 0..10 {
            let answer = self.way.place(&placement).await;
            if !matches!(answer, Answer::Unknown(_)) {
                return answer;
            }
            placement.asked_before += 1;
            (self.turn)();
        }
        panic!("nobody ever knows");
    }

    async fn placed(&self, placement: &Placement) -> Placed {
        match self.place(placement).await {
            Answer::Done(placed) => placed,
            other => panic!("{other:?}"),
        }
    }

    /// Asks once; the provider does it, and its answer is lost.
    async fn loses_the_answer_to(&self, placement: &Placement) {
        self.books.lock().loses = true;
        let answer = self.way.place(placement).await;
        let name = self.way.name();
        assert!(matches!(answer, Answer::Unknown(_)), "{name}: {answer:?}");
        (self.turn)();
        self.books.lock().loses = false;
    }

    async fn withdrawn(&self, placement: &Placement, reference: Option<&str>) {
        for _ in 0..10 {
            match self.way.withdraw(placement, reference).await {
                Answer::Done(()) => return (self.turn)(),
                Answer::Refused(refusal) => panic!("{refusal:?}"),
                Answer::Unknown(_) => (self.turn)(),
            }
        }
        panic!("nobody ever knows");
    }
}

async fn stands(folder: &Path) -> Vec<Stand> {
    let timeout = Duration::from_millis(2_000);
    let secret = || Secret::new("secret");
    let journal = folder.join("journal");
    let mut all = Vec::new();
    for is_duffel in [false, true] {
        let books = Shared::default();
        let url = server::start(books.clone()).await;
        let way = match is_duffel {
            false => OutwardConfig::Webhook {
                url: format!("{url}/orders"),
                secret: secret(),
                timeout,
            },
            true => OutwardConfig::Duffel {
                url,
                token: secret(),
                timeout,
            },
        };
        all.push(Stand {
            books,
            way: way.connect(journal.clone()).unwrap(),
            turn: Box::new(|| {}),
            code: "UC",
        });
    }
    let lines = folder.join("lines");
    let way = OutwardConfig::Teletype {
        folder: lines.clone(),
        address: "NYCRMUA".to_owned(),
        origin: "HDQFLXX".to_owned(),
    };
    let books = Shared::default();
    let way = way.connect(journal).unwrap();
    let (turning, listening) = (books.clone(), way.clone());
    all.push(Stand {
        books,
        way,
        turn: Box::new(move || {
            lines::turn(&lines, &turning);
            listening.answered();
        }),
        code: "UC",
    });
    all
}

#[tokio::test]
async fn asked_twice_it_is_placed_once_under_one_name() {
    let folder = tempfile::tempdir().unwrap();
    for stand in stands(folder.path()).await {
        let name = stand.way.name();
        let first = stand.placed(&placement(1)).await;
        let again = stand.placed(&placement(1)).await;
        assert_eq!(first, again, "{name}");
        assert!(!first.reference.is_empty(), "{name}");
        let other = stand.placed(&placement(2)).await;
        assert_ne!(first, other, "{name}");
        assert_eq!(stand.books.lock().taken, 2, "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_asking_again() {
    let folder = tempfile::tempdir().unwrap();
    for stand in stands(folder.path()).await {
        let name = stand.way.name();
        stand.loses_the_answer_to(&placement(1)).await;
        stand.placed(&placement(1)).await;
        assert_eq!(stand.books.lock().taken, 1, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for stand in stands(folder.path()).await {
        let name = stand.way.name();
        stand.books.lock().refuses = Some("UC");
        for _ in 0..2 {
            let answer = stand.place(&placement(1)).await;
            let Answer::Refused(refusal) = answer else {
                panic!("{name}: {answer:?}");
            };
            assert_eq!(refusal.code, stand.code, "{name}");
        }
        assert!(!stand.books.lock().has(PlacementKey(1)), "{name}");
    }
}

#[tokio::test]
async fn what_is_withdrawn_is_gone_however_often_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for stand in stands(folder.path()).await {
        let name = stand.way.name();
        let placed = stand.placed(&placement(1)).await;
        assert!(stand.books.lock().has(PlacementKey(1)), "{name}");
        for _ in 0..2 {
            let reference = Some(placed.reference.as_str());
            stand.withdrawn(&placement(1), reference).await;
            assert!(!stand.books.lock().has(PlacementKey(1)), "{name}");
        }
    }
}

#[tokio::test]
async fn a_placement_of_which_nobody_knows_is_withdrawn_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for stand in stands(folder.path()).await {
        let name = stand.way.name();
        stand.loses_the_answer_to(&placement(1)).await;
        stand.withdrawn(&placement(1), None).await;
        assert!(!stand.books.lock().has(PlacementKey(1)), "{name}");
        // One that was never asked for.
        stand.withdrawn(&placement(9), None).await;
        assert!(!stand.books.lock().has(PlacementKey(9)), "{name}");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_says_neither_yes_nor_no() {
    let folder = tempfile::tempdir().unwrap();
    for stand in stands(folder.path()).await {
        let name = stand.way.name();
        stand.books.lock().down = true;
        let mut asked = placement(1);
        for _ in 0..3 {
            let answer = stand.way.place(&asked).await;
            assert!(matches!(answer, Answer::Unknown(_)), "{name}: {answer:?}");
            asked.asked_before += 1;
            (stand.turn)();
        }
        stand.books.lock().down = false;
        stand.placed(&asked).await;
        assert_eq!(stand.books.lock().taken, 1, "{name}");
    }
}

/// Whoever was erased is not told to anybody, and what was placed before is not forgotten by that.
#[tokio::test]
async fn without_passengers_nothing_new_is_placed() {
    let folder = tempfile::tempdir().unwrap();
    for stand in stands(folder.path()).await {
        let name = stand.way.name();
        if name == "webhook" {
            // It is told, with nobody in it, and says itself what it makes of that.
            continue;
        }
        let erased = |key: u128| Placement {
            travellers: Vec::new(),
            ..placement(key)
        };
        let answer = stand.place(&erased(1)).await;
        let Answer::Refused(refusal) = answer else {
            panic!("{name}: {answer:?}");
        };
        assert_eq!(refusal.code, "passengers_erased", "{name}");
        stand.loses_the_answer_to(&placement(2)).await;
        stand.placed(&erased(2)).await;
        assert_eq!(stand.books.lock().taken, 1, "{name}");
    }
}

/// Another replica takes over, whose journal knows of nothing.
#[tokio::test]
async fn duffel_finds_an_order_by_its_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let books = Shared::default();
    let url = server::start(books.clone()).await;
    let connect = |journal: &str| {
        let way = OutwardConfig::Duffel {
            url: url.clone(),
            token: Secret::new("secret"),
            timeout: Duration::from_secs(2),
        };
        way.connect(folder.path().join(journal)).unwrap()
    };
    books.lock().loses = true;
    let answer = connect("first").place(&placement(1)).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    books.lock().loses = false;
    for file in std::fs::read_dir(folder.path().join("first")).unwrap() {
        let kept = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(
            kept.contains("off_1") && !kept.contains("Earhart"),
            "{kept}"
        );
    }
    let mut asked = placement(1);
    asked.asked_before = 1;
    let answer = connect("second").place(&asked).await;
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    assert_eq!(books.lock().taken, 1);
}

#[test]
fn a_way_that_cannot_be_used_is_told_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let secret = || Secret::new("secret");
    let timeout = Duration::from_secs(1);
    let teletype = |address: &str| OutwardConfig::Teletype {
        folder: folder.path().to_owned(),
        address: address.to_owned(),
        origin: "HDQFLXX".to_owned(),
    };
    let webhook = |url: &str| OutwardConfig::Webhook {
        url: url.to_owned(),
        secret: secret(),
        timeout,
    };
    let duffel = OutwardConfig::Duffel {
        url: "https://api.example".to_owned(),
        token: Secret::new("line\nbreak"),
        timeout,
    };
    for (way, want) in [
        (webhook("acme"), "url acme"),
        (webhook("ftp://acme.example"), "https"),
        (webhook("http://8.8.8.8/orders"), "https"),
        (duffel, "token"),
        (teletype("nycrmua"), "seven capital letters"),
        (teletype("NYCRM"), "seven capital letters"),
    ] {
        let error = way.connect(folder.path().join("journal")).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
    let shown = format!("{:?}", webhook("https://acme.example"));
    assert!(!shown.contains("secret\""), "{shown}");
}
