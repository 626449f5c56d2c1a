//! What every store must do: the same tests against a folder and against a real PostgreSQL.

use super::home::Home;
use super::server;

macro_rules! on_both {
    ($($module:ident::$name:ident,)*) => {
        $(#[tokio::test]
        async fn $name() {
            crate::$module::$name(Home::folder()).await;
        })*

        /// One server for all of them, and a database for each.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_database_does_all_that_a_folder_does() {
            let server = tokio::task::spawn_blocking(server::start).await.unwrap();
            $(
                // Shown when it fails: which one it was.
                eprintln!("{}", stringify!($name));
                crate::$module::$name(Home::database(&server, stringify!($name)).await).await;
            )*
            tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
        }
    };
}

on_both! {
    store::events_and_progress_survive_a_reopened_folder_and_are_not_doubled,
    store::an_event_that_cannot_be_kept_keeps_the_others_and_the_progress_out,
    store::a_client_has_its_own_endpoints_and_sees_no_other_s,
    store::endpoints_are_checked_changed_and_removed,
    store::a_strict_store_takes_public_https_only,
    store::lists_come_in_pages_that_leave_nothing_out,
    store::events_go_when_they_were_kept_long_enough_but_never_before_they_are_delivered,
    delivery::a_delivery_is_signed_and_complete,
    delivery::a_slow_endpoint_fills_its_own_lane_only,
    delivery::ping_goes_to_one_endpoint_whatever_it_wants,
    delivery::an_endpoint_that_is_switched_off_gets_its_events_when_it_is_on_again,
    delivery::the_order_sequence_lets_the_receiver_restore_order,
    delivery::the_log_is_bounded,
    delivery::an_address_that_is_not_public_is_not_called,
    retry::errors_lost_answers_and_redirects_are_tried_again_with_growing_pauses,
    retry::a_request_without_an_answer_ends,
    retry::an_endpoint_that_was_away_for_an_hour_gets_everything,
    retry::after_three_days_it_is_given_up_and_can_be_asked_for_again,
    retry::what_is_asked_for_again_during_an_attempt_is_made_again,
}
