from trip import PEOPLE, Flow, balance, day, flights, slice_of, travellers


class Hold(Flow):
    def test_held_paid_cancelled_refunded(self):
        _, (offer, *_) = self.offers(slice_of("JFK", "LAX", day(1)))
        self.assertFalse(offer.payment_requirements.requires_instant_payment)
        order = self.hold(offer)
        self.whole(order, 1, 1)
        self.assertEqual(flights(order), flights(offer))
        self.assertEqual(order.total_amount, offer.total_amount)
        self.assertTrue(order.payment_status.awaiting_payment)
        self.assertEqual(order.documents, [])
        self.assertEqual(order.passengers[0].family_name, "Earhart")
        self.assertEqual(order.passengers[0].born_on, "1987-07-24")

        waiting = list(self.client.orders.list(awaiting_payment=True, sort="pay_by", limit=20))
        self.assertIn(order.id, [other.id for other in waiting])
        for other in waiting:
            self.assertGreater(len(other.slices), 0)
            self.assertTrue(other.payment_status.awaiting_payment)

        changed = self.client.orders.update(order.id).metadata({"trip": "hold"}).execute()
        self.assertEqual(changed.metadata, {"trip": "hold"})

        wrong = f"{float(order.total_amount) + 1:.2f}"
        self.refused(422, "validation_error", "payment_amount_does_not_match_order_amount", lambda: self.pay(order, wrong))
        payment = self.pay(order)
        self.assertEqual((payment.type, payment.amount, payment.currency), ("balance", order.total_amount, order.total_currency))
        self.refused(422, "invalid_state_error", "already_paid", lambda: self.pay(order))

        issued = self.client.orders.get(order.id)
        self.whole(issued, 1, 1)
        self.assertFalse(issued.payment_status.awaiting_payment)
        self.assertGreater(len(issued.documents), 0)
        self.assertEqual(issued.metadata, {"trip": "hold"})

        quote = self.client.order_cancellations.create(order.id)
        self.assertIsNone(quote.confirmed_at)
        self.assertEqual(quote.refund_to, "balance")
        terms = offer.conditions.refund_before_departure
        refund = float(order.total_amount) - float(terms.penalty_amount or 0) if terms.allowed else 0
        self.assertEqual(float(quote.refund_amount), refund)
        confirmed = self.client.order_cancellations.confirm(quote.id)
        self.assertIsNotNone(confirmed.confirmed_at)
        self.assertEqual(confirmed.refund_amount, quote.refund_amount)
        self.assertIsNotNone(self.client.orders.get(order.id).cancelled_at)
        self.assertEqual([c.id for c in self.client.order_cancellations.list(order.id)], [quote.id])
        self.assertEqual(self.client.order_cancellations.get(quote.id).confirmed_at, confirmed.confirmed_at)
        self.refused(422, "invalid_state_error", "already_cancelled", lambda: self.client.order_cancellations.create(order.id))

    def test_an_unpaid_hold_is_cancelled_for_nothing(self):
        _, (offer, *_) = self.offers(slice_of("JFK", "LAX", day(1)))
        order = self.hold(offer)
        quote = self.client.order_cancellations.create(order.id)
        self.assertEqual((quote.refund_to, quote.refund_amount), ("awaiting_payment", "0.00"))
        self.client.order_cancellations.confirm(quote.id)
        self.assertIsNotNone(self.client.orders.get(order.id).cancelled_at)
        self.refused(422, "invalid_state_error", "already_cancelled", lambda: self.pay(order))


class Instant(Flow):
    def test_a_return_for_two_bought_and_cancelled(self):
        _, (offer, *_) = self.offers(slice_of("JFK", "LAX", day(1)), slice_of("LAX", "JFK", day(3)),
                                     passengers=[{"type": "adult"}, {"type": "adult"}])
        order = self.buy(offer)
        self.whole(order, 2, 2)
        self.assertEqual(flights(order), flights(offer))
        self.assertFalse(order.payment_status.awaiting_payment)
        tickets = [document.unique_identifier for document in order.documents]
        self.assertGreater(len(tickets), 0)
        self.assertEqual(len(set(tickets)), len(tickets))
        quote = self.client.order_cancellations.create(order.id)
        self.assertEqual(self.client.order_cancellations.confirm(quote.id).id, quote.id)
        self.assertIsNotNone(self.client.orders.get(order.id).cancelled_at)


class Refusals(Flow):
    def test_a_wrong_amount_buys_nothing(self):
        _, (offer, *_) = self.offers(slice_of("JFK", "LAX", day(2)))
        wrong = balance(f"{float(offer.total_amount) + 1:.2f}", offer.total_currency)
        self.refused(422, "validation_error", "payment_amount_does_not_match_order_amount", lambda: self.buy(offer, wrong))
        self.assertEqual(self.buy(offer).total_amount, offer.total_amount)

    def test_one_order_for_each_search(self):
        _, (offer, other, *_) = self.offers(slice_of("JFK", "LAX", day(2)))
        self.hold(offer)
        for again in (offer, other):
            self.refused(422, "validation_error", "offer_request_already_booked", lambda: self.hold(again))

    def test_a_missing_field_is_named(self):
        _, (offer, *_) = self.offers(slice_of("JFK", "LAX", day(2)))
        for field in PEOPLE[0]:
            [passenger] = travellers(offer)
            del passenger[field]
            order = self.client.orders.create().hold().selected_offers([offer.id]).passengers([passenger])
            problem = self.refused(422, "validation_error", "validation_required", order.execute)
            self.assertEqual(problem["source"]["pointer"], f"/passengers/0/{field}")
        self.assertGreater(len(self.hold(offer).slices), 0)
