import test from 'node:test'
import assert from 'node:assert/strict'
import { connect, day, slice, offersFor, instant, travellers, flights, payment, refused } from './trip.mjs'

const client = connect()

test('bought at once, cancelled, refunded', async () => {
  const [offer] = await offersFor(client, day(2))
  const created = await client.orders.create(instant(offer, { metadata: { trip: 'instant' } }))
  assert.equal(created.status, 201)
  const order = created.data
  assert.equal(order.type, 'instant')
  assert.equal(order.total_amount, offer.total_amount)
  assert.equal(flights(order), flights(offer))
  assert.notEqual(order.payment_status.paid_at, null)
  assert.equal(order.payment_status.awaiting_payment, false)
  assert.ok(order.documents.length > 0)
  await refused(client.payments.create(payment(order)), { status: 422, type: 'validation_error', code: 'order_type_not_eligible_for_payment' })

  const quote = (await client.orderCancellations.create({ order_id: order.id })).data
  const confirmed = (await client.orderCancellations.confirm(quote.id)).data
  assert.equal(confirmed.refund_amount, quote.refund_amount)
  const cancelled = (await client.orders.get(order.id)).data
  assert.notEqual(cancelled.cancelled_at, null)
  assert.equal(cancelled.payment_status.paid_at, order.payment_status.paid_at, 'when it was paid does not change')
  assert.deepEqual(cancelled.documents, order.documents)
})

test('a return trip for two, over all its flights', async () => {
  const search = await client.offerRequests.create({
    slices: [slice('JFK', 'LAX', day(2)), slice('LAX', 'JFK', day(5))],
    passengers: [{ type: 'adult' }, { type: 'adult' }],
    cabin_class: 'economy',
    max_connections: 1,
  })
  const [offer] = search.data.offers
  const order = (await client.orders.create(instant(offer))).data
  assert.equal(order.slices.length, 2)
  assert.equal(flights(order), flights(offer))
  assert.deepEqual(order.passengers.map((p) => p.given_name), ['Amelia', 'Tony'])
  const ticketed = new Set(order.documents.flatMap((d) => d.passenger_ids))
  assert.deepEqual([...ticketed].sort(), order.passengers.map((p) => p.id).sort(), 'a ticket for everybody')
})

test('an infant travels on the lap of the adult who names it', async () => {
  const search = await client.offerRequests.create({
    slices: [slice('JFK', 'LAX', day(2))],
    passengers: [{ type: 'adult' }, { age: 1 }],
    cabin_class: 'economy',
    max_connections: 0,
  })
  const [offer] = search.data.offers
  const [adult, infant] = travellers(offer)
  const passengers = [{ ...adult, infant_passenger_id: infant.id }, { ...infant, born_on: day(2 - 500) }]
  const order = (await client.orders.create(instant(offer, { passengers }))).data
  assert.deepEqual(order.passengers.map((p) => p.type), ['adult', 'infant_without_seat'])
  assert.equal(order.passengers[0].infant_passenger_id, infant.id)
})
