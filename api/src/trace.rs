//! Traces of requests: what the HTTP layer tells whoever collects them, and the header that carries them from
//! one service to the next. Who collects them, and whether anybody does, is the caller's business.

use std::cell::Cell;

/// Where a request stands among the steps that led to it, in the form of the W3C's `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, never 0.
    pub trace_id: u128,
    /// The step in it, never 0.
    pub span_id: u64,
    /// Is it recorded?
    pub is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`: `00-<trace id>-<parent id>-<flags>`, in lower-case hexadecimal. Later versions may
    /// have more behind it. Anything else counts as none, as the W3C wants it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let mut hex = |digits: usize| {
            let part = parts.next()?;
            let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            (part.len() == digits && part.bytes().all(is_hex)).then_some(part)
        };
        let version = u8::from_str_radix(hex(2)?, 16).ok()?;
        let trace_id = u128::from_str_radix(hex(32)?, 16).ok()?;
        let span_id = u64::from_str_radix(hex(16)?, 16).ok()?;
        let flags = u8::from_str_radix(hex(2)?, 16).ok()?;
        let has_more = parts.next().is_some();
        if version == 0xff || (version == 0 && has_more) || trace_id == 0 || span_id == 0 {
            return None;
        }
        Some(Self {
            trace_id,
            span_id,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Collects traces.
pub trait Tracing: Send + Sync + std::fmt::Debug {
    /// A request begins; `parent` is what its header says. `None`: it is not recorded.
    fn begin(&self, parent: Option<TraceContext>) -> Option<Box<dyn RequestTrace>>;
}

/// A request that is recorded.
pub trait RequestTrace: Send {
    /// What its steps belong to.
    fn context(&self) -> TraceContext;
    /// It was answered.
    fn end(self: Box<Self>, answered: Answered<'_>);
}

/// How a request was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its method.
    pub method: &'a str,
    /// The template of its path.
    pub route: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// The id that the answer carries.
    pub request_id: &'a str,
}

tokio::task_local! {
    static CURRENT: Cell<Option<TraceContext>>;
}

/// What the request that is worked on belongs to, if it is recorded. Costs a look at the thread's own memory.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// Works on a request that is recorded.
pub(crate) async fn within<F: Future>(context: TraceContext, work: F) -> F::Output {
    CURRENT.scope(Cell::new(Some(context)), work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_as_the_w3c_wants_it() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = TraceContext::parse(good).unwrap();
        assert_eq!(read.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(read.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(read.is_sampled);
        let not_sampled = TraceContext::parse(&good.replace("-01", "-00")).unwrap();
        assert!(!not_sampled.is_sampled);
        let later = format!("{}-what-comes", good.replacen("00", "01", 1));
        assert_eq!(TraceContext::parse(&later), Some(read));
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &format!("{good}-more"),
            &good.replacen("00", "ff", 1),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &good.replace("4bf9", "4bf"),
            &good.replace("4bf9", "+bf9"),
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_request_knows_what_it_belongs_to_and_others_do_not() {
        let context = TraceContext {
            trace_id: 7,
            span_id: 8,
            is_sampled: true,
        };
        assert_eq!(current(), None);
        let inside = within(context, async {
            tokio::task::yield_now().await;
            current()
        });
        assert_eq!(inside.await, Some(context));
        assert_eq!(current(), None);
    }
}
