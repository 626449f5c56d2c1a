//! Where an order, its seats and its money stand, and what that is called.

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderState {
    /// Seats are being held.
    Holding = 1,
    /// All seats are held, and the client has not paid.
    AwaitingPayment = 2,
    /// The money is being reserved.
    Authorising = 3,
    /// The money is reserved, and the seats are being confirmed.
    Confirming = 4,
    /// The seats are sold, and the money is being taken.
    Capturing = 5,
    /// The money is taken, and the ticket is being issued.
    Ticketing = 6,
    /// Seats sold, money taken, ticket issued.
    Booked = 7,
    /// What was done is being undone.
    Undoing = 8,
    /// Ended: it never came to be. Seats and money are back.
    Refused = 9,
    /// Ended: it was held and not paid in time. Seats and money are back.
    Expired = 10,
    /// Ended: by the client, or by the airline, or because it could not be completed after it had
    /// been held. Seats are back, money as agreed.
    Cancelled = 11,
    /// Every flight has answered, and for some of its seats it waits: they are sold out.
    Waiting = 12,
    /// The seats are sold, and the providers that granted them are told.
    Placing = 13,
}

impl OrderState {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            OrderState::Holding => "holding",
            OrderState::AwaitingPayment => "awaiting_payment",
            OrderState::Authorising => "authorising",
            OrderState::Confirming => "confirming",
            OrderState::Capturing => "capturing",
            OrderState::Ticketing => "ticketing",
            OrderState::Booked => "booked",
            OrderState::Undoing => "undoing",
            OrderState::Refused => "refused",
            OrderState::Expired => "expired",
            OrderState::Cancelled => "cancelled",
            OrderState::Waiting => "waiting",
            OrderState::Placing => "placing",
        }
    }

    /// Is it one of the three ends?
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            OrderState::Refused | OrderState::Expired | OrderState::Cancelled
        )
    }

    /// Does nothing happen any more unless somebody asks for it?
    pub const fn is_settled(self) -> bool {
        self.is_end() || matches!(self, OrderState::Booked)
    }
}

/// How far an order has come, while it is not undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    Holding = 1,
    Awaiting = 2,
    Authorising = 3,
    Confirming = 4,
    Placing = 5,
    Capturing = 6,
    Ticketing = 7,
    Booked = 8,
}

/// Seats of one segment, as far as the order has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Seat {
    /// Asked for.
    Holding = 1,
    /// Held.
    Held = 2,
    /// Held, and asked to be sold.
    Confirming = 3,
    /// Sold.
    Confirmed = 4,
    /// Asked to be given back, from held.
    Releasing = 5,
    /// Asked to be given back, from sold.
    Cancelling = 6,
    /// Not ours: never was, lost, or given back.
    Free = 7,
    /// Sold, and departed before the airline cancelled the rest of the order: flown, and paid for.
    Kept = 8,
    /// Sold out, and waited for.
    Waiting = 9,
    /// Sold, refused by the provider, and the flight asked to note it.
    Refusing = 10,
}

impl Seat {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Seat::Holding => "holding",
            Seat::Held => "held",
            Seat::Confirming => "confirming",
            Seat::Confirmed => "confirmed",
            Seat::Releasing => "releasing",
            Seat::Cancelling => "cancelling",
            Seat::Free => "free",
            Seat::Kept => "kept",
            Seat::Waiting => "waiting",
            Seat::Refusing => "refusing",
        }
    }
}

/// Where a sale stands with the provider that granted the seats, as far as the order has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outward {
    /// It is not sent anywhere (yet).
    None = 1,
    /// To be sent when all seats of the order are sold.
    Due = 2,
    /// Sent.
    Placing = 3,
    /// Taken by the provider, and the flight is asked to note it.
    Placed = 4,
    /// Taken by the provider, which the flight knows.
    Acknowledged = 5,
    /// Refused by the provider: the seats are given back.
    Refused = 6,
    /// To be forgotten again.
    Withdrawing = 7,
    /// Forgotten by the provider.
    Withdrawn = 8,
    /// The provider refused to forget it: people have to look.
    Kept = 9,
}

impl Outward {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Outward::None => "none",
            Outward::Due => "due",
            Outward::Placing => "placing",
            Outward::Placed => "placed",
            Outward::Acknowledged => "acknowledged",
            Outward::Refused => "refused",
            Outward::Withdrawing => "withdrawing",
            Outward::Withdrawn => "withdrawn",
            Outward::Kept => "kept",
        }
    }

    /// Is the provider asked for something?
    pub const fn is_open(self) -> bool {
        matches!(self, Outward::Placing | Outward::Withdrawing)
    }
}

/// The money, as far as the order has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MoneyState {
    /// None asked for.
    None = 1,
    /// Asked to be reserved.
    Authorising = 2,
    /// Refused: none reserved.
    Declined = 3,
    /// Reserved.
    Authorised = 4,
    /// Reserved, and asked to be taken.
    Capturing = 5,
    /// Taken.
    Captured = 6,
    /// Reserved, and asked to be let go.
    Voiding = 7,
    /// Let go.
    Voided = 8,
    /// Taken, and asked to be given back.
    Refunding = 9,
    /// Given back, as far as it was to be.
    Refunded = 10,
}

impl MoneyState {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            MoneyState::None => "none",
            MoneyState::Authorising => "authorising",
            MoneyState::Declined => "declined",
            MoneyState::Authorised => "authorised",
            MoneyState::Capturing => "capturing",
            MoneyState::Captured => "captured",
            MoneyState::Voiding => "voiding",
            MoneyState::Voided => "voided",
            MoneyState::Refunding => "refunding",
            MoneyState::Refunded => "refunded",
        }
    }
}
