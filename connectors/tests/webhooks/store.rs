//! Endpoints, events, lists, retention; what survives a reopened folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::webhooks::{
    Appended, Clock, DeliveryStatus, EndpointPatch, EventFilter, EventKind, NewEndpoint, Page,
    PageOf, Progress, WebhookStore, WebhooksError,
};

use super::home::{Home, Rules};
use super::support::{START_MS, clock, config, endpoint, event, open};

const URL: &str = "http://127.0.0.1:9/hook";
const DAY: Duration = Duration::from_secs(86_400);

fn progress(entries: &[(u32, u64)]) -> Progress {
    Progress(entries.iter().copied().collect::<BTreeMap<_, _>>())
}

pub(crate) async fn events_and_progress_survive_a_reopened_folder_and_are_not_doubled(home: Home) {
    let clock = clock();
    let store = home.open(&clock);
    let made = store.create_endpoint("acme", &endpoint(URL)).unwrap();
    let events = [
        event("acme", "ord_1", 1),
        event("acme", "ord_1", 2),
        event("acme", "ord_1", 1),
    ];
    let appended = store.append(&events, &progress(&[(0, 7), (9, 4)])).unwrap();
    assert_eq!(
        appended,
        Appended {
            new: 2,
            repeated: 1
        }
    );
    drop(store);
    let store = home.open(&clock);
    assert_eq!(store.progress().unwrap(), progress(&[(0, 7), (9, 4)]));
    let again = store.append(&events, &progress(&[(0, 8)])).unwrap();
    assert_eq!(
        again,
        Appended {
            new: 0,
            repeated: 3
        }
    );
    assert_eq!(store.progress().unwrap(), progress(&[(0, 8), (9, 4)]));
    let list = store
        .events("acme", &EventFilter::default(), &Page::default())
        .unwrap();
    assert_eq!(list.items.len(), 2);
    let first = store.event("acme", &events[0].id()).unwrap();
    assert_eq!(first.deliveries.len(), 1);
    assert_eq!(first.deliveries[0].endpoint_id, made.endpoint.id);
    assert_eq!(first.deliveries[0].status, DeliveryStatus::Pending);
    assert_eq!(
        store.endpoint("acme", &made.endpoint.id).unwrap(),
        made.endpoint
    );
}

pub(crate) async fn an_event_that_cannot_be_kept_keeps_the_others_and_the_progress_out(home: Home) {
    let store = home.open(&clock());
    let mut large = event("acme", "ord_2", 1);
    large.object = "x".repeat(300 << 10).into();
    let mut unnamed = event("acme", "ord_3", 1);
    unnamed.client = "a\0b".into();
    for bad in [large, unnamed] {
        let refused = store.append(&[event("acme", "ord_1", 1), bad], &progress(&[(0, 1)]));
        assert!(matches!(
            refused,
            Err(WebhooksError::TooLarge { .. } | WebhooksError::Client(_))
        ));
        assert_eq!(store.progress().unwrap(), Progress::default());
        let list = store.events("acme", &EventFilter::default(), &Page::default());
        assert!(list.unwrap().items.is_empty());
    }
}

pub(crate) async fn a_client_has_its_own_endpoints_and_sees_no_other_s(home: Home) {
    let store = home.open(&clock());
    let made = store.create_endpoint("acme", &endpoint(URL)).unwrap();
    assert!(made.secret.len() > 32);
    assert!(!format!("{made:?}").contains(&made.secret));
    assert!(made.endpoint.id.starts_with("end_"));
    let id = made.endpoint.id.as_str();
    // "acm" and "acme" share their first letters.
    store
        .append(
            &[event("acme", "ord_1", 1), event("acm", "ord_2", 1)],
            &Progress::default(),
        )
        .unwrap();
    for other in ["acm", "acmee", ""] {
        assert!(store.endpoint(other, id).is_err());
        assert!(
            store
                .patch_endpoint(other, id, &EndpointPatch::default())
                .is_err()
        );
        assert!(store.delete_endpoint(other, id).is_err());
        assert!(store.ping(other, id).is_err());
        let theirs = event("acme", "ord_1", 1).id();
        assert!(store.event(other, &theirs).is_err());
        assert!(store.redeliver(other, &theirs, None).is_err());
    }
    for client in ["acme", "acm"] {
        let list = store
            .events(client, &EventFilter::default(), &Page::default())
            .unwrap();
        assert_eq!(list.items.len(), 1);
        assert_eq!(list.items[0].client, client);
        assert_eq!(
            list.items[0].deliveries.len(),
            usize::from(client == "acme")
        );
    }
    for id in ["", "wev_", &"x".repeat(70_000)] {
        assert!(matches!(
            store.event("acme", id),
            Err(WebhooksError::NotFound { .. })
        ));
    }
}

pub(crate) async fn endpoints_are_checked_changed_and_removed(home: Home) {
    let clock = clock();
    let store = home.open(&clock);
    let with = |url: &str, events: &[EventKind]| NewEndpoint {
        url: url.into(),
        events: events.into(),
    };
    for bad in [
        with("ftp://x/", &[EventKind::OrderCreated]),
        with(URL, &[]),
        with(URL, &[EventKind::OrderCreated, EventKind::OrderCreated]),
    ] {
        assert!(store.create_endpoint("acme", &bad).is_err(), "{bad:?}");
    }
    let made: Vec<_> = (0..5)
        .map(|_| {
            store
                .create_endpoint("acme", &endpoint(URL))
                .unwrap()
                .endpoint
        })
        .collect();
    let sixth = store.create_endpoint("acme", &endpoint(URL));
    assert!(matches!(
        sixth,
        Err(WebhooksError::TooManyEndpoints { max: 5 })
    ));
    clock.advance(Duration::from_secs(1));
    let patch = EndpointPatch {
        active: Some(false),
        events: Some(vec![EventKind::PaymentCreated]),
        url: Some("http://127.0.0.1:10/other".into()),
    };
    let changed = store.patch_endpoint("acme", &made[0].id, &patch).unwrap();
    assert!(!changed.active);
    assert_eq!(changed.updated_at_ms, START_MS + 1_000);
    assert!(matches!(
        store.ping("acme", &made[0].id),
        Err(WebhooksError::Inactive { .. })
    ));
    let bad = EndpointPatch {
        active: Some(true),
        url: Some("nowhere".into()),
        ..EndpointPatch::default()
    };
    assert!(store.patch_endpoint("acme", &made[0].id, &bad).is_err());
    assert_eq!(store.endpoint("acme", &made[0].id).unwrap(), changed);
    // Only the active ones that want it get it.
    store
        .append(&[event("acme", "ord_1", 1)], &Progress::default())
        .unwrap();
    store.delete_endpoint("acme", &made[1].id).unwrap();
    drop(store);
    let store = home.open(&clock);
    assert!(store.endpoint("acme", &made[1].id).is_err());
    assert_eq!(store.endpoint("acme", &made[0].id).unwrap(), changed);
    let event = store
        .event("acme", &event("acme", "ord_1", 1).id())
        .unwrap();
    let goes_to: Vec<_> = event
        .deliveries
        .iter()
        .map(|d| d.endpoint_id.as_str())
        .collect();
    assert_eq!(goes_to, [&made[2].id, &made[3].id, &made[4].id]);
}

pub(crate) async fn a_strict_store_takes_public_https_only(home: Home) {
    let strict = Rules {
        allow_private: false,
        ..Rules::default()
    };
    let store = home.open_with(&clock(), strict);
    for bad in [
        URL,
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "http://example.com/",
    ] {
        assert!(matches!(
            store.create_endpoint("acme", &endpoint(bad)),
            Err(WebhooksError::Url(_))
        ));
    }
    store
        .create_endpoint("acme", &endpoint("https://example.com/hook"))
        .unwrap();
}

#[test]
fn the_folder_is_one_process_s_and_the_owner_s() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    let path = config(dir.path()).path;
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let second = WebhookStore::open(config(dir.path()), clock() as Arc<dyn Clock>);
    assert!(matches!(second.err(), Some(WebhooksError::InUse { .. })));
    drop(store);
    open(dir.path(), &clock());
}

/// Walks a list in both directions and compares with the whole.
fn walk<T: Clone + PartialEq + std::fmt::Debug>(
    whole: &[T],
    limit: usize,
    get: impl Fn(&Page) -> Result<PageOf<T>, WebhooksError>,
) {
    let page = |after: Option<String>, before: Option<String>| {
        get(&Page {
            limit,
            after,
            before,
        })
        .unwrap()
    };
    let mut last = page(None, None);
    assert_eq!(last.before, None);
    let mut forth = last.items.clone();
    while let Some(after) = last.after.clone() {
        last = page(Some(after), None);
        assert!(!last.items.is_empty() && last.items.len() <= limit);
        forth.extend(last.items.clone());
    }
    assert_eq!(forth, whole);
    let mut back = last.items.clone();
    while let Some(before) = last.before.clone() {
        last = page(None, Some(before));
        assert!(last.items.len() <= limit);
        back.splice(0..0, last.items.clone());
    }
    assert_eq!(back, whole);
}

pub(crate) async fn lists_come_in_pages_that_leave_nothing_out(home: Home) {
    let store = home.open(&clock());
    for _ in 0..5 {
        store.create_endpoint("acme", &endpoint(URL)).unwrap();
    }
    for n in 1..=11 {
        let events = [event("acme", "ord_1", n), event("other", "ord_1", n)];
        store.append(&events, &Progress::default()).unwrap();
    }
    let whole = Page {
        limit: 200,
        ..Page::default()
    };
    let filter = EventFilter::default();
    let events = store.events("acme", &filter, &whole).unwrap().items;
    assert_eq!(events.len(), 11);
    assert_eq!(
        events[0].id,
        event("acme", "ord_1", 11).id(),
        "newest first"
    );
    let endpoints = store.endpoints("acme", &whole).unwrap().items;
    assert_eq!(endpoints.len(), 5);
    for limit in [1, 2, 3, 5, 10, 11, 12] {
        walk(&events, limit, |page| store.events("acme", &filter, page));
        walk(&endpoints, limit, |page| store.endpoints("acme", page));
    }
    let bad = |after: &str, limit: usize| {
        let page = Page {
            limit,
            after: Some(after.into()),
            before: None,
        };
        store.events("acme", &filter, &page).is_err()
    };
    assert!(bad("", 5) && bad("c", 5) && bad("c+1", 5) && bad("nonsense", 5) && bad("c5", 0));
    assert!(bad("c5", 201) && bad("cfffffffffffffffffff", 5));
    assert!(!bad("c0", 5) && !bad("cffffffffffffffff", 5));
}

pub(crate) async fn events_go_when_they_were_kept_long_enough_but_never_before_they_are_delivered(
    home: Home,
) {
    let clock = clock();
    let store = home.open(&clock);
    store.create_endpoint("acme", &endpoint(URL)).unwrap();
    // Nobody listens for the first; the second waits; the third only ends the list.
    let [unheard, waiting, last] = [
        event("deaf", "ord_1", 1),
        event("acme", "ord_2", 1),
        event("deaf", "ord_3", 1),
    ];
    let events = [unheard.clone(), waiting.clone(), last];
    store.append(&events, &Progress::default()).unwrap();
    clock.advance(7 * DAY);
    assert_eq!(store.sweep().unwrap(), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(store.sweep().unwrap(), 1);
    assert!(store.event("deaf", &unheard.id()).is_err());
    clock.advance(60 * DAY);
    assert_eq!(store.sweep().unwrap(), 0);
    assert!(store.event("acme", &waiting.id()).is_ok());
    let list = store
        .events("deaf", &EventFilter::default(), &Page::default())
        .unwrap();
    assert_eq!(list.items.len(), 1);
}

#[test]
fn a_creation_that_was_interrupted_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path()).path;
    std::fs::create_dir_all(path.join("new/keyspaces")).unwrap();
    std::fs::write(path.join("new/0.jnl"), "half").unwrap();
    let store = open(dir.path(), &clock());
    store.create_endpoint("acme", &endpoint(URL)).unwrap();
    assert!(!path.join("new").exists());
}
