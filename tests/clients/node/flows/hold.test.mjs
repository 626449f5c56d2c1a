import test from 'node:test'
import assert from 'node:assert/strict'
import { connect, day, offersFor, held, payment, flights, refused, all } from './trip.mjs'

const client = connect()
const invalidState = { status: 422, type: 'invalid_state_error' }

test('held, found, labelled, paid, cancelled, refunded', async () => {
  const [offer] = await offersFor(client, day(1))
  assert.equal(offer.payment_requirements.requires_instant_payment, false)
  const created = await client.orders.create(held(offer, { metadata: { trip: 'hold' } }))
  assert.equal(created.status, 201)
  const order = created.data
  assert.equal(order.type, 'hold')
  assert.equal(order.offer_id, offer.id)
  assert.equal(order.total_amount, offer.total_amount)
  assert.equal(order.total_currency, offer.total_currency)
  assert.equal(flights(order), flights(offer))
  assert.equal(order.payment_status.awaiting_payment, true)
  assert.equal(order.payment_status.paid_at, null)
  assert.equal(order.passengers[0].family_name, 'Earhart')
  assert.equal(order.passengers[0].id, offer.passengers[0].id)
  assert.deepEqual(order.metadata, { trip: 'hold' })
  assert.deepEqual(order.documents, [])

  assert.equal((await client.orders.get(order.id)).data.booking_reference, order.booking_reference)
  const byReference = (await client.orders.list({ booking_reference: order.booking_reference })).data
  assert.deepEqual(byReference.map((o) => o.id), [order.id])
  const awaiting = await all(client.orders.listWithGenerator({ awaiting_payment: true }))
  assert.ok(awaiting.some((o) => o.id === order.id), 'the held order does not await payment')

  const labelled = (await client.orders.update(order.id, { metadata: { trip: 'labelled', party: '1' } })).data
  assert.deepEqual(labelled.metadata, { trip: 'labelled', party: '1' })
  assert.deepEqual((await client.orders.get(order.id)).data.metadata, { trip: 'labelled', party: '1' })

  const paid = await client.payments.create(payment(order))
  assert.equal(paid.status, 201)
  assert.equal(paid.data.type, 'balance')
  assert.equal(paid.data.amount, order.total_amount)
  assert.equal(paid.data.currency, order.total_currency)

  const issued = (await client.orders.get(order.id)).data
  assert.equal(issued.payment_status.awaiting_payment, false)
  assert.notEqual(issued.payment_status.paid_at, null)
  assert.ok(issued.documents.some((d) => d.type === 'electronic_ticket' && d.passenger_ids.includes(order.passengers[0].id)))
  assert.deepEqual(issued.metadata, { trip: 'labelled', party: '1' })
  await refused(client.payments.create(payment(order)), { ...invalidState, code: 'already_paid' })
  const stillAwaiting = (await client.orders.list({ awaiting_payment: true, booking_reference: order.booking_reference })).data
  assert.deepEqual(stillAwaiting, [])

  const quote = (await client.orderCancellations.create({ order_id: order.id })).data
  assert.equal(quote.order_id, order.id)
  assert.equal(quote.confirmed_at, null)
  const { allowed, penalty_amount } = offer.conditions.refund_before_departure
  const refund = allowed ? Number(order.total_amount) - Number(penalty_amount ?? 0) : 0
  assert.equal(Number(quote.refund_amount), refund)
  assert.equal(quote.refund_currency, order.total_currency)
  assert.equal(quote.refund_to, 'balance')
  assert.equal((await client.orders.get(order.id)).data.cancelled_at, null, 'a quote changes nothing')

  const confirmed = (await client.orderCancellations.confirm(quote.id)).data
  assert.equal(confirmed.id, quote.id)
  assert.notEqual(confirmed.confirmed_at, null)
  assert.equal(Number(confirmed.refund_amount), refund)
  const refunded = (await client.orders.get(order.id)).data
  assert.notEqual(refunded.cancelled_at, null)
  assert.equal(refunded.cancellation.id, quote.id)
  assert.deepEqual(refunded.available_actions, [])
  assert.deepEqual((await client.orderCancellations.get(quote.id)).data, refunded.cancellation)
  const ofOrder = (await client.orderCancellations.list({ order_id: order.id })).data
  assert.deepEqual(ofOrder.map((c) => c.id), [quote.id])
  await refused(client.orderCancellations.create({ order_id: order.id }), { ...invalidState, code: 'already_cancelled' })
  await refused(client.payments.create(payment(order)), { ...invalidState, code: 'already_cancelled' })
})

test('a hold that was never paid is cancelled for nothing', async () => {
  const [offer] = await offersFor(client, day(1))
  const order = (await client.orders.create(held(offer))).data
  const quote = (await client.orderCancellations.create({ order_id: order.id })).data
  assert.equal(quote.refund_to, 'awaiting_payment')
  assert.equal(quote.refund_amount, '0.00')
  await client.orderCancellations.confirm(quote.id)
  const cancelled = (await client.orders.get(order.id)).data
  assert.notEqual(cancelled.cancelled_at, null)
  assert.equal(cancelled.payment_status.awaiting_payment, false)
  assert.deepEqual(cancelled.documents, [])
  await refused(client.payments.create(payment(order)), { ...invalidState, code: 'already_cancelled' })
})

test('only the newest quote can be confirmed', async () => {
  const [offer] = await offersFor(client, day(1))
  const order = (await client.orders.create(held(offer))).data
  const first = (await client.orderCancellations.create({ order_id: order.id })).data
  const second = (await client.orderCancellations.create({ order_id: order.id })).data
  assert.notEqual(first.id, second.id)
  await refused(client.orderCancellations.confirm(first.id), { ...invalidState, code: 'order_cancellation_stale' })
  assert.equal((await client.orders.get(order.id)).data.cancelled_at, null)
  assert.notEqual((await client.orderCancellations.confirm(second.id)).data.confirmed_at, null)
})
