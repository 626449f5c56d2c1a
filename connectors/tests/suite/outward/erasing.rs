//! What goes out of the files of teletype and of Duffel's journal, and when.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flightline_connectors::outward::{
    Answer, OutwardConfig, OutwardService, Placement, PlacementKey, Secret,
};

use super::{Shared, lines, placement, server};

const DAY: Duration = Duration::from_secs(24 * 3600);
const NAME: &str = "OEARHART";

pub(crate) fn teletype(folder: &Path) -> Arc<dyn OutwardService> {
    let way = OutwardConfig::Teletype {
        folder: folder.to_owned(),
        address: "NYCRMUA".to_owned(),
        origin: "HDQFLXX".to_owned(),
    };
    way.connect(folder.join("unused")).unwrap()
}

/// Every file under a folder with its text.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                let text = std::fs::read_to_string(&path).unwrap();
                all.insert(name.to_string_lossy().into_owned(), text);
            }
        }
    }
    all
}

/// Where somebody is named.
fn naming(folder: &Path) -> Vec<String> {
    let all = files(folder).into_iter();
    let naming = all.filter(|(_, text)| text.to_uppercase().contains(NAME));
    naming.map(|(name, _)| name).collect()
}

fn of_order(key: u128, order: u128) -> Placement {
    Placement {
        order: format!("ord_{order:032x}"),
        ..placement(key)
    }
}

async fn ask(way: &Arc<dyn OutwardService>, placement: &Placement) {
    let answer = way.place(placement).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
}

/// A message that the provider has not taken away loses the names, and no other one does.
#[tokio::test]
async fn whoever_is_erased_is_named_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let way = teletype(folder.path());
    let (ours, other) = (of_order(1, 7), of_order(2, 8));
    ask(&way, &ours).await;
    ask(&way, &other).await;
    let withdrawn = way.withdraw(&ours, None).await;
    assert_eq!(withdrawn, Answer::Done(()));
    assert_eq!(naming(folder.path()).len(), 3);
    assert_eq!(way.erase(&ours.order), Ok(2));
    let left = naming(folder.path());
    assert_eq!(left, [format!("out/SS-{}.txt", other.key)]);
    // What the message asks for is there all the same.
    let erased = files(folder.path())[&format!("out/XX-{}.txt", ours.key)].clone();
    assert!(erased.contains("UA1545Q05JANEWRIAH XX2\n"), "{erased}");
    assert!(
        erased.contains(&format!("FLREF {}\n", ours.key)),
        "{erased}"
    );
    assert_eq!(way.erase(&ours.order), Ok(0), "it was done before");
    assert_eq!(way.erase("ord_99"), Ok(0));
}

/// A process that died while it took the names out has left the message where nobody takes it.
#[tokio::test]
async fn an_erasure_that_was_broken_off_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let way = teletype(folder.path());
    let ours = of_order(1, 7);
    ask(&way, &ours).await;
    let out = folder.path().join("out");
    let name = format!("SS-{}.txt", ours.key);
    let held = out.join(format!(".{name}.erased"));
    std::fs::rename(out.join(&name), held).unwrap();
    // Another one died while it wrote.
    let half = std::fs::write(out.join(format!(".XX-{}.txt.part", ours.key)), NAME);
    half.unwrap();
    let kept = way.kept().unwrap();
    assert!(kept[0].names_people, "{kept:?}");
    assert_eq!(way.erase(&ours.order), Ok(2));
    assert_eq!(naming(folder.path()), [""; 0]);
    let sent = files(folder.path())[&format!("out/{name}")].clone();
    assert!(sent.contains("UA1545Q05JANEWRIAH SS2\n"), "{sent}");
}

/// Answers repeat names. What is taken keeps only what is read of it, and what cannot be read loses them
/// when it speaks of the order.
#[tokio::test]
async fn answers_do_not_keep_names() {
    let folder = tempfile::tempdir().unwrap();
    let way = teletype(folder.path());
    let ours = of_order(1, 7);
    ask(&way, &ours).await;
    let answer = |action: &str| {
        format!(
            "QU HDQFLXX\nHDQFL ABC234\nNYCUA XYZ987\n1{NAME}/AMELIA MS\n\
             UA1545Q05JANEWRIAH {action}\nOSI UA {NAME} IS A VIP\nOSI YY FLREF {}\n",
            ours.key
        )
    };
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join("in").join(name), text).unwrap();
    };
    put("good.txt", &answer("HK2"));
    put("bad.txt", &answer("ZZ2"));
    put("booking.txt", &format!("ABOUT ABC234 1{NAME}/AMELIA MS\n"));
    put("somebody.txt", "1LINDBERGH/CHARLES MR\n");
    assert_eq!(way.answered(), [ours.key]);
    let taken = files(folder.path())["in/done/good.txt"].clone();
    let read = "HDQFL ABC234\nNYCUA XYZ987\nUA1545Q05JANEWRIAH HK2\n";
    assert_eq!(taken, format!("{read}OSI YY FLREF {}\n", ours.key));
    let placed = way.place(&ours).await;
    let Answer::Done(placed) = placed else {
        panic!("{placed:?}");
    };
    assert_eq!(placed.reference, "XYZ987");
    let bad = ["in/rejected/bad.txt", "in/rejected/booking.txt"];
    let sent = format!("out/SS-{}.txt", ours.key);
    assert_eq!(naming(folder.path()), [bad[0], bad[1], sent.as_str()]);
    assert_eq!(way.erase(&ours.order), Ok(3));
    assert_eq!(naming(folder.path()), [""; 0]);
    let all = files(folder.path());
    assert!(all[bad[0]].contains(&ours.key.to_string()), "{all:?}");
    assert!(all["in/rejected/somebody.txt"].contains("LINDBERGH"));
}

/// All answers may come under one name, among others that are none: each is kept.
#[tokio::test]
async fn answers_of_one_name_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let way = teletype(folder.path());
    let put = |text: &str| std::fs::write(folder.path().join("in/answer.txt"), text).unwrap();
    for n in 1..=3 {
        ask(&way, &of_order(n, n)).await;
        let key = PlacementKey(n);
        put(&format!("UA1545Q05JANEWRIAH HK2\nOSI YY FLREF {key}\n"));
        assert_eq!(way.answered(), [key]);
        put(&format!("NONSENSE {n}\n"));
        assert_eq!(way.answered(), []);
    }
    let all = files(folder.path());
    let names = |part: &str| {
        let names = all.keys().filter_map(|name| name.strip_prefix(part));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let of = |n| format!("answer.txt.{}", PlacementKey(n));
    assert_eq!(names("in/done/"), ["answer.txt".to_owned(), of(2), of(3)]);
    let rejected = ["answer.txt", "answer.txt.2", "answer.txt.3"];
    for (n, name) in (1..).zip(rejected) {
        assert_eq!(
            all[&format!("in/rejected/{name}")],
            format!("NONSENSE {n}\n")
        );
        assert!(all.contains_key(&format!("in/rejected/{name}.report")));
    }
}

/// An answer that could not be read is known as its order's for as long as it lies there, whatever it is called;
/// one to an order that is long over names nobody.
#[tokio::test]
async fn rejected_answers_are_known_for_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let way = teletype(folder.path());
    let ours = of_order(1, 7);
    ask(&way, &ours).await;
    std::fs::remove_file(folder.path().join(format!("out/SS-{}.txt", ours.key))).unwrap();
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join("in").join(name), text).unwrap();
    };
    let is_named = || way.kept().unwrap()[0].names_people;
    assert!(!is_named());
    put("odd.report", &format!("ABOUT ABC234 1{NAME}/AMELIA MS\n"));
    put("other.txt", "1LINDBERGH/CHARLES MR\n");
    assert_eq!(way.answered(), []);
    assert_eq!(naming(folder.path()), ["in/rejected/odd.report"]);
    assert!(is_named(), "its journal must not be dropped");
    assert_eq!(way.erase(&ours.order), Ok(1));
    assert_eq!(naming(folder.path()), [""; 0]);
    assert!(!is_named());
    assert_eq!(way.forget(&[ours.key], SystemTime::now()), Ok(2));
    let late = format!(
        "1{NAME}/AMELIA MS\nUA1545Q05JANEWRIAH HK2\nOSI YY FLREF {}\n",
        ours.key
    );
    for _ in 0..2 {
        put("late.txt", &late);
        assert_eq!(way.answered(), []);
    }
    assert_eq!(naming(folder.path()), [""; 0]);
    let all = files(folder.path());
    assert!(all["in/rejected/late.txt"].starts_with("UA1545Q05JANEWRIAH HK2\n"));
    assert!(all["in/rejected/late.txt.report"].contains("long over"));
    assert!(!all.contains_key("in/rejected/late.txt.2"), "{all:?}");
}

/// The journal of a placement is kept until somebody says that it is settled, and nothing of others goes
/// with it; answers go by their age.
#[tokio::test]
async fn what_is_settled_or_old_goes() {
    let folder = tempfile::tempdir().unwrap();
    let lines_at = folder.path().join("lines");
    let way = teletype(&lines_at);
    let books = Shared::default();
    for (key, order) in [(1, 7), (2, 8)] {
        ask(&way, &of_order(key, order)).await;
    }
    lines::turn(&lines_at, &books);
    std::fs::write(lines_at.join("in/nonsense.txt"), "HELLO\n").unwrap();
    assert_eq!(way.answered().len(), 2);
    let now = SystemTime::now();
    let kept = way.kept().unwrap();
    let orders: Vec<_> = kept.iter().map(|kept| kept.order.clone()).collect();
    assert_eq!(orders, [of_order(1, 7).order, of_order(2, 8).order]);
    assert!(kept.iter().all(|kept| !kept.names_people), "{kept:?}");
    assert_eq!(way.forget(&[], now), Ok(0));
    // `ord_`, `SS` and `answer` of the one.
    assert_eq!(way.forget(&[PlacementKey(1)], now), Ok(3));
    let kept = way.kept().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].key, PlacementKey(2));
    // What is answered now is about nothing that is known here.
    let late = "UA1545Q05JANEWRIAH UC2\nOSI YY FLREF 00000000000000000000000000000001\n";
    std::fs::write(lines_at.join("in/late.txt"), late).unwrap();
    assert_eq!(way.answered(), []);
    let report = files(&lines_at)["in/rejected/late.txt.report"].clone();
    assert!(report.contains("long over"), "{report}");
    assert_eq!(way.forget(&[], now + 29 * DAY), Ok(0));
    assert_eq!(way.forget(&[], now + 31 * DAY), Ok(2), "answers taken");
    assert_eq!(way.forget(&[], now + 89 * DAY), Ok(0));
    assert_eq!(way.forget(&[], now + 91 * DAY), Ok(4), "two, with why");
    assert_eq!(way.kept().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_chosen_at_duffel_goes_when_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let way = OutwardConfig::Duffel {
        url: server::start(Shared::default()).await,
        token: Secret::new("secret"),
        timeout: Duration::from_secs(2),
    };
    let way = way.connect(journal.clone()).unwrap();
    assert_eq!(way.kept(), Ok(Vec::new()), "before there is a folder");
    for (key, order) in [(1, 7), (2, 8)] {
        let placed = way.place(&of_order(key, order)).await;
        assert!(matches!(placed, Answer::Done(_)), "{placed:?}");
    }
    let kept = way.kept().unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1].order, of_order(2, 8).order);
    let now = SystemTime::now();
    std::fs::write(journal.join(".dead.json.part"), "{").unwrap();
    assert_eq!(way.forget(&[PlacementKey(1)], now), Ok(1));
    assert_eq!(way.forget(&[PlacementKey(1)], now + 2 * DAY), Ok(1));
    assert_eq!(way.kept().unwrap().len(), 1);
    assert_eq!(files(&journal).len(), 1);
}

/// Messages of the feed that are missing are asked for once, whatever became of the file.
#[tokio::test]
async fn missing_messages_are_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let way = teletype(folder.path());
    let names = [
        "SSM 21JAN00052 002-003".to_owned(),
        "SSM 21JAN00053".to_owned(),
    ];
    assert_eq!(way.ask_again(&names[..1]), Ok(Some(1)));
    assert_eq!(way.ask_again(&names), Ok(Some(1)));
    let path = folder.path().join("out/RPT-SSM-21JAN00052-002-003.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "QU NYCRMUA\n.HDQFLXX\nPLS RPT SSM 21JAN00052 002-003\n"
    );
    std::fs::remove_file(path).unwrap();
    assert_eq!(teletype(folder.path()).ask_again(&names), Ok(Some(0)));
    // That it was asked for is no placement, and is known for a month.
    assert_eq!(way.kept(), Ok(Vec::new()));
    let now = SystemTime::now();
    assert_eq!(way.forget(&[], now + 29 * DAY), Ok(0));
    assert_eq!(way.forget(&[], now + 31 * DAY), Ok(2));
}
