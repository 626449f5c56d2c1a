"""What the flows share: a client, the days of the schedule, travellers, and how a refusal looks."""

import os
import unittest
from datetime import date, timedelta

from duffel_api import Duffel
from duffel_api.http_client import ApiError


def environment(name):
    if not os.environ.get(name):
        raise SystemExit(f"{name} is not set; run .ci/clients, which starts a replica and sets it")
    return os.environ[name]


BASE = environment("FLIGHTLINE_URL")
FIRST = date.fromisoformat(environment("FLIGHTLINE_DEPARTURE"))
VERSION = environment("DUFFEL_VERSION")

PEOPLE = [
    {"title": "ms", "gender": "f", "given_name": "Amelia", "family_name": "Earhart", "born_on": "1987-07-24",
     "email": "amelia@example.com", "phone_number": "+442080160508"},
    {"title": "mr", "gender": "m", "given_name": "Tony", "family_name": "Stark", "born_on": "1980-07-24",
     "email": "tony@example.com", "phone_number": "+442080160509"},
]


def connect():
    """The official client, unchanged; its own default version when that is the one to try."""
    version = {} if VERSION == "v1" else {"api_version": VERSION}
    return Duffel(access_token="test", api_url=BASE, **version)


def day(offset):
    # Apart from the days of the other client's flows, so that they do not change each other's prices.
    return (FIRST + timedelta(days=6 + offset)).isoformat()


def slice_of(origin, destination, departure_date):
    return {"origin": origin, "destination": destination, "departure_date": departure_date}


def travellers(offer):
    return [{"id": passenger.id, **PEOPLE[i]} for i, passenger in enumerate(offer.passengers)]


def balance(amount, currency):
    return {"type": "balance", "amount": amount, "currency": currency}


def flights(trip):
    """The flights of an offer or order, as one list."""
    return [
        (segment.marketing_carrier.iata_code, segment.marketing_carrier_flight_number, segment.departing_at)
        for part in trip.slices for segment in part.segments
    ]


class Flow(unittest.TestCase):
    """The client parses strictly, and turns what it cannot parse inside a list into an empty list,
    without an error: so every list is looked into."""

    def setUp(self):
        self.client = connect()

    def offers(self, *slices, passengers=({"type": "adult"},), max_connections=0):
        """The offers of a search, cheapest first."""
        request = (
            self.client.offer_requests.create().return_offers().cabin_class("economy")
            .max_connections(max_connections).passengers(list(passengers)).slices(list(slices)).execute()
        )
        self.assertEqual(len(request.slices), len(slices))
        self.assertEqual(len(request.passengers), len(passengers))
        self.assertGreater(len(request.offers), 1, "no offers: none found, or one key of them is missing")
        for offer in request.offers:
            self.whole(offer, len(slices), len(passengers))
        return request, sorted(request.offers, key=lambda offer: float(offer.total_amount))

    def whole(self, trip, slices, passengers):
        self.assertEqual(len(trip.slices), slices)
        self.assertEqual(len(trip.passengers), passengers)
        for part in trip.slices:
            self.assertGreater(len(part.segments), 0)
            for segment in part.segments:
                self.assertEqual(len(segment.passengers), passengers)
                self.assertEqual({p.passenger_id for p in segment.passengers}, {p.id for p in trip.passengers})

    def hold(self, offer):
        return (
            self.client.orders.create().hold().selected_offers([offer.id]).passengers(travellers(offer)).execute()
        )

    def buy(self, offer, payment=None):
        payment = payment or balance(offer.total_amount, offer.total_currency)
        return (
            self.client.orders.create().selected_offers([offer.id]).passengers(travellers(offer))
            .payments([payment]).execute()
        )

    def pay(self, order, amount=None):
        payment = balance(amount or order.total_amount, order.total_currency)
        return self.client.payments.create().order(order.id).payment(payment).execute()

    def refused(self, status, kind, code, call):
        with self.assertRaises(ApiError) as caught:
            call()
        error = caught.exception
        problem = error.errors[0]
        found = (error.meta["status"], problem["type"], problem["code"])
        self.assertEqual(found, (status, kind, code), problem["message"])
        self.assertIn(problem["title"], str(error))
        return problem
