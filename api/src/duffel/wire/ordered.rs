//! Bodies about orders, for the OpenAPI document: `orders::asked` and `orders::people` read them.
//! Never built.
#![allow(dead_code)]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// An order.
#[derive(ToSchema)]
pub(crate) struct CreateOrderBody {
    data: CreateOrder,
}

/// What is ordered, for whom. Other fields are left alone.
#[derive(ToSchema)]
pub(crate) struct CreateOrder {
    /// `instant`, `hold`, or `pay_later`, which is the same as `hold`.
    #[schema(pattern = "^(instant|hold|pay_later)$", default = "instant")]
    r#type: Option<String>,
    /// The id of one offer.
    #[schema(min_items = 1, max_items = 1)]
    selected_offers: Vec<String>,
    /// One for each passenger of the offer.
    #[schema(min_items = 1, max_items = 9)]
    passengers: Vec<CreateOrderPassenger>,
    /// One for an instant order, none for one of type hold.
    #[schema(max_items = 1)]
    payments: Option<Vec<CreatePaymentDetails>>,
    /// Our own: what to do when a flight is sold out. Absent: the order is refused.
    waitlist: Option<CreateWaitlist>,
    /// Your own notes: at most 50 pairs, keys of 1 to 40 letters, digits, _ and -, values of at most
    /// 500 characters. No personal data.
    metadata: Option<BTreeMap<String, String>>,
}

/// Waiting for seats.
#[derive(ToSchema)]
pub(crate) struct CreateWaitlist {
    /// How long to wait, in seconds. The operator sets the longest.
    #[schema(minimum = 1, example = 86400)]
    wait_s: u64,
}

/// Somebody who travels.
#[derive(ToSchema)]
pub(crate) struct CreateOrderPassenger {
    /// The passenger's id in the offer.
    id: String,
    #[schema(pattern = "^(mr|ms|mrs|miss|dr)$")]
    title: String,
    #[schema(pattern = "^[mf]$")]
    gender: String,
    #[schema(min_length = 1, max_length = 20, example = "Amelia")]
    given_name: String,
    #[schema(min_length = 1, max_length = 20, example = "Earhart")]
    family_name: String,
    #[schema(format = Date, example = "1987-07-24")]
    born_on: String,
    #[schema(example = "amelia@example.com")]
    email: String,
    /// International form.
    #[schema(example = "+442080160509")]
    phone_number: String,
    /// On the adult who carries it: the id of an infant without a seat.
    infant_passenger_id: Option<String>,
}

/// How it is paid.
#[derive(ToSchema)]
pub(crate) struct CreatePaymentDetails {
    /// `balance`: with what is configured for your token. `card`: with a payment method of yours.
    #[schema(pattern = "^(balance|card)$")]
    r#type: String,
    /// With `card`: the method's id at the payment service.
    payment_method_id: Option<String>,
    /// The whole total, a decimal text.
    #[schema(pattern = "^[0-9]+(\\.[0-9]+)?$", example = "120.00")]
    amount: String,
    #[schema(pattern = "^[A-Z]{3}$", example = "USD")]
    currency: String,
}

/// New notes.
#[derive(ToSchema)]
pub(crate) struct PatchOrderBody {
    data: PatchOrder,
}

/// What is replaced.
#[derive(ToSchema)]
pub(crate) struct PatchOrder {
    metadata: BTreeMap<String, String>,
}

/// A payment of an order of type hold.
#[derive(ToSchema)]
pub(crate) struct CreatePaymentBody {
    data: CreatePayment,
}

/// What is paid.
#[derive(ToSchema)]
pub(crate) struct CreatePayment {
    order_id: String,
    payment: CreatePaymentDetails,
}

/// A cancellation.
#[derive(ToSchema)]
pub(crate) struct CreateCancellationBody {
    data: CreateCancellation,
}

/// What is cancelled.
#[derive(ToSchema)]
pub(crate) struct CreateCancellation {
    order_id: String,
}
