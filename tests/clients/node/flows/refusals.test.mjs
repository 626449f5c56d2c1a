import test from 'node:test'
import assert from 'node:assert/strict'
import { connect, day, offersFor, held, instant, payment, travellers, refused } from './trip.mjs'

const client = connect()
const validation = { status: 422, type: 'validation_error' }
const notFound = { status: 404, type: 'invalid_request_error', code: 'not_found' }
const more = (amount) => (Number(amount) + 1).toFixed(2)

test('a wrong amount buys nothing, and costs the offer nothing', async () => {
  const [offer] = await offersFor(client, day(3))
  const wrong = (payments) => client.orders.create(instant(offer, { payments }))
  const { total_amount: amount, total_currency: currency } = offer
  await refused(wrong([{ type: 'balance', amount: more(amount), currency }]), { ...validation, code: 'payment_amount_does_not_match_order_amount' })
  await refused(wrong([{ type: 'balance', amount, currency: 'GBP' }]), { ...validation, code: 'payment_currency_does_not_match_order_currency' })
  assert.deepEqual((await client.orders.list({ offer_id: offer.id })).data, [])
  assert.equal((await client.orders.create(instant(offer))).data.offer_id, offer.id)
})

test('a wrong payment leaves the hold as it was', async () => {
  const [offer] = await offersFor(client, day(3))
  const order = (await client.orders.create(held(offer))).data
  await refused(client.payments.create(payment(order, { amount: more(order.total_amount) })), { ...validation, code: 'payment_amount_does_not_match_order_amount' })
  await refused(client.payments.create(payment(order, { currency: 'GBP' })), { ...validation, code: 'payment_currency_does_not_match_order_currency' })
  assert.deepEqual((await client.orders.get(order.id)).data.payment_status, order.payment_status)
})

test('one order for each search', async () => {
  const [offer, other] = await offersFor(client, day(3))
  const order = (await client.orders.create(held(offer))).data
  for (const again of [offer, other]) {
    const problem = await refused(client.orders.create(held(again)), { ...validation, code: 'offer_request_already_booked' })
    assert.equal(problem.source.field, 'selected_offers')
  }
  // How a client finds out what became of an order whose answer was lost.
  assert.deepEqual((await client.orders.list({ offer_id: offer.id })).data.map((o) => o.id), [order.id])
})

test('a missing or wrong field is named', async () => {
  const [offer] = await offersFor(client, day(3))
  const [traveller] = travellers(offer)
  const order = (passenger) => client.orders.create(held(offer, { passengers: [passenger] }))
  for (const field of ['given_name', 'family_name', 'born_on', 'title', 'gender', 'email', 'phone_number']) {
    const { [field]: _, ...rest } = traveller
    await refused(order(rest), { ...validation, code: 'validation_required', pointer: `/passengers/0/${field}` })
  }
  await refused(order({ ...traveller, email: 'nobody' }), { ...validation, code: 'invalid_email_address', pointer: '/passengers/0/email' })
  await refused(order({ ...traveller, phone_number: '12' }), { ...validation, code: 'invalid_phone_number', pointer: '/passengers/0/phone_number' })
  await refused(client.orders.create(held(offer, { selected_offers: [] })), { ...validation, pointer: '/selected_offers' })
  const { payments: _, ...unpaid } = instant(offer)
  await refused(client.orders.create(unpaid), { ...validation, code: 'validation_required', pointer: '/payments' })
  assert.equal((await client.orders.create(held(offer))).status, 201, 'a refused order leaves the offer free')
})

test('what does not exist is not found', async () => {
  await refused(client.orders.get('ord_none'), notFound)
  await refused(client.orders.update('ord_none', { metadata: {} }), notFound)
  await refused(client.orderCancellations.get('ore_none'), notFound)
  await refused(client.orderCancellations.confirm('ore_none'), notFound)
  await refused(client.webhooks.get('wev_none'), notFound)
  const [offer] = await offersFor(client, day(3))
  const middle = Math.floor(offer.id.length / 2)
  const tampered = offer.id.slice(0, middle) + (offer.id[middle] === 'A' ? 'B' : 'A') + offer.id.slice(middle + 1)
  await refused(client.offers.get(tampered), notFound)
})
