//! What only the sandbox has: its table of misbehaviour, its books in a file, its switch.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use flightline_connectors::payments::sandbox::{Act, BooksError, MAGIC, Magic, Step};
use flightline_connectors::payments::{
    AuthoriseRequest, Cause, Payment, PaymentService, PaymentState, RefusalKind, Sandbox,
};
use flightline_ledger::Money;

use crate::support::{
    Method, Soon, Subject, authorised, books_of, done, effect, refused, request, settled, usd,
};

pub(crate) struct SandboxSubject(pub(crate) Arc<Sandbox>);

impl SandboxSubject {
    pub(crate) fn in_memory() -> Self {
        Self(Arc::new(Sandbox::in_memory()))
    }

    pub(crate) fn in_file(path: &Path) -> Self {
        Self(Arc::new(Sandbox::open(path).unwrap()))
    }
}

impl Subject for SandboxSubject {
    fn service(&self) -> Arc<dyn PaymentService> {
        Arc::clone(&self.0) as Arc<dyn PaymentService>
    }

    fn method(&self, method: Method) -> String {
        match method {
            Method::Good => "card",
            Method::Declined => "sandbox_declined",
            Method::NoFunds => "sandbox_no_funds",
            Method::Authentication => "sandbox_authentication",
        }
        .into()
    }

    fn books(&self) -> Soon<'_, Vec<Payment>> {
        Box::pin(async { self.0.payments() })
    }
}

/// The payment that a magic amount or method chooses.
fn chosen(subject: &SandboxSubject, magic: &Magic, by_method: bool) -> AuthoriseRequest {
    let mut request = request(subject, Method::Good, usd("120.00"));
    if by_method {
        request.method = magic.method.into();
    } else {
        request.amount = Money {
            minor: 500_000_000 + i64::from(magic.digits),
            ..request.amount
        };
    }
    request
}

/// Every line of the table, by amount and by method: the step misbehaves as the table says, every
/// other step works, and after settling the books have each effect once.
#[tokio::test]
async fn the_table_is_what_happens() {
    let subject = SandboxSubject::in_memory();
    for (magic, by_method) in MAGIC.iter().flat_map(|m| [(m, false), (m, true)]) {
        let service = subject.service();
        let request = chosen(&subject, magic, by_method);
        let (id, amount) = (request.effect, request.amount);
        if magic.step == Step::Authorise && misbehaves(&subject, magic, &request, "").await {
            continue;
        }
        let reference = done(service.authorise(&request).await).reference;
        if magic.step == Step::Void {
            misbehaves(&subject, magic, &request, &reference).await;
            let voided = Some((PaymentState::Voided, 0, 0));
            assert_eq!(books_of(&subject, id).await, voided, "{magic:?}");
            continue;
        }
        if magic.step == Step::Capture && misbehaves(&subject, magic, &request, &reference).await {
            // What cannot be captured can be voided.
            done(service.void(effect(), &reference).await);
            continue;
        }
        done(service.capture(effect(), &reference, amount).await);
        if magic.step == Step::Refund && misbehaves(&subject, magic, &request, &reference).await {
            let kept = Some((PaymentState::Captured, amount.minor, 0));
            assert_eq!(books_of(&subject, id).await, kept, "{magic:?}");
            continue;
        }
        if magic.step != Step::Refund {
            done(service.refund(effect(), &reference, amount).await);
        }
        let all = Some((PaymentState::Captured, amount.minor, amount.minor));
        assert_eq!(books_of(&subject, id).await, all, "{magic:?}");
    }
}

/// Asks for the magic step until it is settled or clearly never will be; returns whether it never
/// works.
async fn misbehaves(
    subject: &SandboxSubject,
    magic: &Magic,
    request: &AuthoriseRequest,
    reference: &str,
) -> bool {
    let service = subject.service();
    let step = effect();
    let before = books_of(subject, request.effect).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = match magic.step {
            Step::Authorise => service.authorise(request).await.map(|_| ()),
            Step::Capture => service.capture(step, reference, request.amount).await,
            Step::Void => service.void(step, reference).await,
            Step::Refund => service
                .refund(step, reference, request.amount)
                .await
                .map(|_| ()),
        };
        answers.push((answer, books_of(subject, request.effect).await));
    }
    for (number, (answer, books)) in answers.iter().enumerate() {
        let has_acted = *books != before;
        let (is_unknown, acts) = match magic.act {
            Act::Refuse(code) => {
                let refusal = refused(answer.clone());
                assert_eq!(refusal.code, code, "{magic:?}");
                let is_declined = refusal.kind == RefusalKind::Declined;
                assert_eq!(is_declined, magic.step == Step::Authorise, "{magic:?}");
                // A decline is in the books, and holds nothing.
                (false, magic.step == Step::Authorise)
            }
            Act::TimeOutFirst => (number == 0, number > 0),
            Act::LoseFirstAnswer => (number == 0, true),
            Act::NeverAnswer => (true, false),
        };
        assert_eq!(answer.is_unknown(), is_unknown, "{magic:?}, ask {number}");
        assert_eq!(has_acted, acts, "{magic:?}, ask {number}");
    }
    matches!(magic.act, Act::Refuse(_) | Act::NeverAnswer)
}

#[test]
fn the_page_lists_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/payments.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut listed = BTreeSet::new();
    for magic in &MAGIC {
        let code = match magic.act {
            Act::Refuse(code) => format!("refused, `{code}`"),
            Act::TimeOutFirst => "first ask times out, nothing happened; the next works".into(),
            Act::LoseFirstAnswer => "first ask works, its answer is lost; the next tells".into(),
            Act::NeverAnswer => "never answers, nothing happens".into(),
        };
        let line = format!(
            "| {} | `{}` | {} | {code} |",
            magic.digits,
            magic.method,
            magic.step.name()
        );
        assert!(page.contains(&line), "docs/payments.md lacks:\n{line}");
        listed.insert(magic.digits);
    }
    let lines = page.lines().filter(|l| l.starts_with("| 99")).count();
    assert_eq!(lines, listed.len(), "docs/payments.md lists more");
}

#[tokio::test]
async fn totals_add_up() {
    let subject = SandboxSubject::in_memory();
    let service = subject.service();
    let a = authorised(&subject, usd("10.00")).await;
    let b = authorised(&subject, usd("20.00")).await;
    authorised(&subject, usd("30.00")).await;
    done(service.capture(effect(), &a, usd("10.00")).await);
    done(service.refund(effect(), &a, usd("4.00")).await);
    done(service.void(effect(), &b).await);
    let no = request(&subject, Method::Declined, usd("50.00"));
    refused(service.authorise(&no).await);
    let totals = subject.0.totals();
    assert_eq!(
        (
            totals.authorised,
            totals.captured,
            totals.voided,
            totals.declined
        ),
        (1, 1, 1, 1)
    );
    assert_eq!(
        (
            totals.authorised_minor,
            totals.captured_minor,
            totals.refunded_minor
        ),
        (3_000, 1_000, 400)
    );
}

#[tokio::test]
async fn a_misspelt_misbehaviour_does_not_pay() {
    let subject = SandboxSubject::in_memory();
    let mut ask = request(&subject, Method::Good, usd("10.00"));
    ask.method = "sandbox_lots".into();
    let refusal = refused(subject.service().authorise(&ask).await);
    assert_eq!(refusal.code, "invalid_method");
    assert!(subject.0.payments().is_empty());
}

#[tokio::test]
async fn other_currencies_are_refused() {
    let subject = SandboxSubject::in_memory();
    let service = subject.service();
    let reference = authorised(&subject, usd("10.00")).await;
    let euros = crate::support::money("10.00", "EUR");
    let refusal = refused(service.capture(effect(), &reference, euros).await);
    assert_eq!(refusal.code, "invalid_currency");
}

#[tokio::test]
async fn a_sandbox_that_is_down_is_unknown_and_forgets_nothing() {
    let subject = SandboxSubject::in_memory();
    let service = subject.service();
    let reference = authorised(&subject, usd("10.00")).await;
    let waiting = request(&subject, Method::Good, usd("20.00"));
    subject.0.set_down(true);
    let answer = service.authorise(&waiting).await;
    assert!(
        matches!(&answer, flightline_connectors::payments::Answer::Unknown(u) if u.cause == Cause::NotReached),
        "{answer:?}"
    );
    assert!(service.void(effect(), &reference).await.is_unknown());
    assert!(service.payment(&reference).await.is_unknown());
    subject.0.set_down(false);
    done(service.authorise(&waiting).await);
    done(service.void(effect(), &reference).await);
    assert_eq!(subject.0.totals().voided, 1);
}

#[tokio::test]
async fn books_in_a_file_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let (request, capture, before) = {
        let subject = SandboxSubject::in_file(&path);
        let service = subject.service();
        let request = request(&subject, Method::Good, usd("10.00"));
        let capture = effect();
        let reference = done(service.authorise(&request).await).reference;
        done(service.capture(capture, &reference, usd("10.00")).await);
        done(service.refund(effect(), &reference, usd("1.00")).await);
        let declined = crate::support::request(&subject, Method::NoFunds, usd("3.00"));
        refused(service.authorise(&declined).await);
        let voided = authorised(&subject, usd("5.00")).await;
        done(service.void(effect(), &voided).await);
        (request, capture, subject.0.payments())
    };
    let subject = SandboxSubject::in_file(&path);
    assert_eq!(subject.0.payments(), before);
    let service = subject.service();
    let reference = done(service.authorise(&request).await).reference;
    done(service.capture(capture, &reference, usd("10.00")).await);
    assert_eq!(subject.0.payments(), before);
}

/// Replicas of one machine share their books: what one authorised the other captures, gives back, and
/// asks for again.
#[tokio::test]
async fn books_in_a_file_are_those_of_all_who_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let (one, two) = (
        SandboxSubject::in_file(&path),
        SandboxSubject::in_file(&path),
    );
    let (here, there) = (one.service(), two.service());
    let first = request(&one, Method::Good, usd("10.00"));
    let reference = done(here.authorise(&first).await).reference;
    assert_eq!(done(there.authorise(&first).await).reference, reference);
    done(there.capture(effect(), &reference, usd("10.00")).await);
    done(here.refund(effect(), &reference, usd("4.00")).await);
    refused(there.refund(effect(), &reference, usd("7.00")).await);
    assert_eq!(one.0.payments(), two.0.payments());
    assert_eq!(two.0.totals().refunded_minor, 400);
    // Both at once, many times: every line is whole, and counted by both.
    let mut tasks = Vec::new();
    for n in 0..60 {
        let subject = [&one, &two][n % 2];
        let request = request(subject, Method::Good, usd("1.00"));
        let service = subject.service();
        tasks.push(tokio::task::spawn(async move {
            done(service.authorise(&request).await);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(one.0.totals().authorised, 60);
    assert_eq!(one.0.payments(), two.0.payments());
    drop((one, two, here, there));
    assert_eq!(SandboxSubject::in_file(&path).0.totals().authorised, 60);
}

/// The file cut at every byte, as a kill can leave it: whole lines count, and the sandbox goes on.
#[tokio::test]
async fn a_cut_file_loses_only_its_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let first = {
        let subject = SandboxSubject::in_file(&path);
        let reference = authorised(&subject, usd("10.00")).await;
        let service = subject.service();
        done(service.capture(effect(), &reference, usd("10.00")).await);
        done(service.refund(effect(), &reference, usd("2.00")).await);
        reference
    };
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(whole.iter().filter(|b| **b == b'\n').count(), 3);
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        let known = {
            let subject = SandboxSubject::in_file(&path);
            let payments = subject.0.payments();
            let known = payments
                .first()
                .map(|p| (p.captured_minor, p.refunded_minor));
            // It can be written on.
            authorised(&subject, usd("7.00")).await;
            known
        };
        let want = [None, Some((0, 0)), Some((1_000, 0)), Some((1_000, 200))][lines];
        assert_eq!(known, want, "cut at {cut}");
        let again = SandboxSubject::in_file(&path);
        let count = usize::from(lines > 0) + 1;
        assert_eq!(again.0.payments().len(), count, "cut at {cut}");
        let is_there = again.0.payments().iter().any(|p| p.reference == first);
        assert_eq!(is_there, lines > 0);
    }
}

#[tokio::test]
async fn damaged_books_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    {
        let subject = SandboxSubject::in_file(&path);
        authorised(&subject, usd("10.00")).await;
        authorised(&subject, usd("11.00")).await;
    }
    let good = std::fs::read_to_string(&path).unwrap();
    let twice = format!("{good}{}\n", good.lines().next().unwrap());
    let junk = good.replacen("\"do\"", "\"did\"", 1);
    let void = r#"{"do":"void","payment":"00000000000000000000000000000001"}"#;
    for (text, bad_line) in [(twice, 3), (junk, 1), (format!("{good}{void}\n"), 3)] {
        std::fs::write(&path, &text).unwrap();
        match Sandbox::open(&path) {
            Err(BooksError::Damaged { line, .. }) => assert_eq!(line, bad_line, "{text}"),
            other => panic!("should be damaged: {other:?}"),
        }
        // And it was not touched.
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let nowhere = folder.path().join("no/such/folder/books");
    assert!(matches!(
        Sandbox::open(&nowhere),
        Err(BooksError::Io { .. })
    ));
}

/// The same asks give the same books, byte for byte.
#[tokio::test]
async fn the_sandbox_is_deterministic() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<_> = (0..40).map(|_| effect()).collect();
    let mut files = Vec::new();
    for run in 0..2 {
        let path = folder.path().join(format!("books{run}"));
        let subject = SandboxSubject::in_file(&path);
        let service = subject.service();
        for (n, pair) in ids.chunks(2).enumerate() {
            let magic = &MAGIC[n % MAGIC.len()];
            let request = AuthoriseRequest {
                effect: pair[0],
                order: "o".into(),
                amount: usd("120.00"),
                method: magic.method.into(),
                metadata: Vec::new(),
                asked_ms_ago: 0,
            };
            for _ in 0..2 {
                let _ = service.authorise(&request).await;
            }
            let reference = format!("sandbox_{}", pair[0]);
            for _ in 0..2 {
                let _ = service.capture(pair[1], &reference, usd("120.00")).await;
            }
        }
        files.push(std::fs::read(&path).unwrap());
    }
    assert!(!files[0].is_empty());
    assert_eq!(files[0], files[1]);
}

/// Many threads, one sandbox: every payment ends as its own thread left it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_do_not_disturb_each_other() {
    let subject = SandboxSubject::in_memory();
    let mut tasks = Vec::new();
    for n in 0..200 {
        let service = subject.service();
        let request = request(&subject, Method::Good, usd("10.00"));
        tasks.push(tokio::spawn(async move {
            let reference = done(settled!(request.effect, service.authorise(&request))).reference;
            if n % 2 == 0 {
                done(service.capture(effect(), &reference, usd("10.00")).await);
            } else {
                done(service.void(effect(), &reference).await);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let totals = subject.0.totals();
    assert_eq!((totals.captured, totals.voided), (100, 100));
    assert_eq!(totals.captured_minor, 100_000);
}
