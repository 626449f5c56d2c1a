from datetime import date, datetime

from trip import Flow, day, flights, slice_of


class Reference(Flow):
    def test_lists_are_paged_and_whole(self):
        airlines = list(self.client.airlines.list(limit=20))
        self.assertGreater(len(airlines), 2)
        self.assertEqual(len({a.id for a in airlines}), len(airlines))
        self.assertEqual(self.client.airlines.get(airlines[0].id), airlines[0])
        airports = list(self.client.airports.list(limit=200))
        self.assertEqual(len({a.id for a in airports}), len(airports))
        self.assertLessEqual({"JFK", "LAX"}, {a.iata_code for a in airports})
        aircraft = list(self.client.aircraft.list(limit=20))
        self.assertGreater(len(aircraft), 2)
        self.assertEqual(self.client.aircraft.get(aircraft[0].id), aircraft[0])

    def test_an_airport_by_its_id(self):
        airport = next(iter(self.client.airports.list(limit=1)))
        self.assertEqual(self.client.airports.get(airport.id), airport)
        self.assertIsInstance(airport.latitude, (int, float))
        self.assertIn("/", airport.time_zone)

    def test_what_does_not_exist_is_not_found(self):
        for get in (self.client.airports.get, self.client.offers.get, self.client.orders.get,
                    self.client.offer_requests.get, self.client.order_cancellations.get):
            self.refused(404, "invalid_request_error", "not_found", lambda: get("xyz_none"))


class Search(Flow):
    def test_one_way(self):
        request, offers = self.offers(slice_of("JFK", "LAX", day(0)))
        self.assertEqual(request.slices[0].origin.iata_code, "JFK")
        self.assertEqual(request.slices[0].departure_date, date.fromisoformat(day(0)))
        self.assertEqual(request.cabin_class, "economy")
        for offer in offers:
            self.assertEqual(offer.slices[0].segments[0].destination.iata_code, "LAX")
            self.assertEqual(offer.slices[0].segments[0].departing_at.date(), date.fromisoformat(day(0)))
            self.assertIsInstance(offer.expires_at, datetime)
            self.assertGreater(offer.expires_at, offer.created_at)
        expected = sorted(flights(offer) for offer in offers)
        # Small pages, so that the client goes through several.
        listed = list(self.client.offers.list(request.id, sort="total_amount", limit=4))
        for offer in listed:
            self.whole(offer, 1, 1)
        self.assertEqual(sorted(flights(offer) for offer in listed), expected)
        prices = [float(offer.total_amount) for offer in listed]
        self.assertEqual(prices, sorted(prices))
        falling = [float(offer.total_amount) for offer in self.client.offers.list(request.id, sort="-total_amount")]
        self.assertEqual(falling, prices[::-1])

    def test_get_again(self):
        request, offers = self.offers(slice_of("JFK", "LAX", day(0)))
        again = self.client.offers.get(offers[0].id, return_available_services=True)
        self.assertEqual(again.id, offers[0].id)
        self.assertEqual(again.total_amount, offers[0].total_amount)
        self.assertEqual(flights(again), flights(offers[0]))
        found = self.client.offer_requests.get(request.id)
        self.assertEqual(found.passengers, request.passengers)
        self.assertEqual(len(found.offers), len(offers))
        recent = list(self.client.offer_requests.list())
        self.assertIn(request.id, [other.id for other in recent])

    def test_without_offers_they_are_listed_only(self):
        request = (
            self.client.offer_requests.create().passengers([{"type": "adult"}])
            .slices([slice_of("JFK", "LAX", day(0))]).execute()
        )
        self.assertEqual(request.offers, [])
        listed = list(self.client.offers.list(request.id))
        self.assertGreater(len(listed), 1)
        self.whole(listed[0], 1, 1)

    def test_return_for_two(self):
        _, offers = self.offers(slice_of("JFK", "LAX", day(0)), slice_of("LAX", "JFK", day(2)),
                                passengers=[{"type": "adult"}, {"age": 9}])
        for offer in offers:
            self.assertEqual(offer.slices[1].segments[0].departing_at.date(), date.fromisoformat(day(2)))
            self.assertEqual([p.age for p in offer.passengers], [None, 9])

    def test_one_connection(self):
        request, offers = self.offers(slice_of("LGA", "BOI", day(0)), max_connections=1)
        for offer in offers:
            first, second = offer.slices[0].segments
            there, on = first.destination.iata_code, second.origin.iata_code
            # From one airport of Chicago to the other may be part of the way.
            self.assertTrue(there == on or {there, on} == {"ORD", "MDW"}, (there, on))
        listed = list(self.client.offers.list(request.id, max_connections=1))
        self.assertEqual(len(listed), len(offers))
