//! Calls about webhooks, and notices of the payment service.

/// A call about webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookCall {
    /// Make one. Its secret is in the answer, once.
    Create {
        /// Where events go.
        url: String,
        /// Types of events.
        events: Vec<String>,
    },
    /// All of the client's.
    List(PageArgs),
    /// One.
    Get {
        /// Its id.
        id: String,
    },
    /// Change one; what is absent stays.
    Patch {
        /// Its id.
        id: String,
        /// Whether it gets events.
        active: Option<bool>,
        /// Types of events.
        events: Option<Vec<String>>,
        /// Where events go.
        url: Option<String>,
    },
    /// Remove one.
    Delete {
        /// Its id.
        id: String,
    },
    /// Send it a test event.
    Ping {
        /// Its id.
        id: String,
    },
    /// The client's events.
    Events {
        /// Which.
        filter: WebhookFilter,
        /// Which of these.
        page: PageArgs,
    },
    /// One event.
    Event {
        /// Its id.
        id: String,
    },
    /// Deliver an event again.
    Redeliver {
        /// Its id.
        id: String,
    },
    /// Attempts to deliver.
    Deliveries {
        /// Which.
        filter: WebhookFilter,
        /// Which of these.
        page: PageArgs,
    },
}

/// Which events or deliveries; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookFilter {
    /// Of this type.
    pub kind: Option<String>,
    /// To this webhook.
    pub endpoint_id: Option<String>,
    /// Delivered, or not.
    pub delivery_success: Option<bool>,
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageArgs {
    /// The most items, 1 to 200.
    pub limit: usize,
    /// Cursor of what comes before.
    pub after: Option<String>,
    /// Cursor of what comes after.
    pub before: Option<String>,
}

/// The answer to a [`WebhookCall`].
#[derive(Clone, Debug, PartialEq)]
pub enum WebhookAnswer {
    /// One thing.
    One(serde_json::Value),
    /// A page of things.
    Page {
        /// The things.
        items: Vec<serde_json::Value>,
        /// The most that were asked for.
        limit: usize,
        /// Cursor of the next page.
        after: Option<String>,
        /// Cursor of the page before.
        before: Option<String>,
    },
    /// It is done.
    Done,
}

/// Why a [`WebhookCall`] was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// There is no such thing.
    NotFound(String),
    /// This field is wrong.
    Invalid(&'static str, String),
    /// The store does not answer.
    Unavailable(String),
}

/// Why a notice of the payment service is not taken. Each says what to do, to who set it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeFault {
    /// None are taken here.
    Off(String),
    /// It is not the service's, or too old.
    Forged(String),
    /// It is the service's, but cannot be read.
    Unreadable(String),
    /// The replica is starting or stopping: the service sends it again.
    Unavailable(String),
}
