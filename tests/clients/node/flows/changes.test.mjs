// What an airline changes of an order, and what a client asks for that is not sold here.
import test from 'node:test'
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, day, slice, held, payment, refused } from './trip.mjs'

const client = connect()
const invalidState = { status: 422, type: 'invalid_state_error' }

/** The provider moves the evening flight from Chicago to Boise: no call of a booking client, so not through the judge. */
async function move(date, departs, arrives) {
  const event = {
    type: 'schedule', flight_key: `UA9103.${date}.ORD`, source_version: { time: new Date().toISOString() },
    legs: [{ board: 'ORD', off: 'BOI', departs: `${date}T${departs}`, arrives: `${date}T${arrives}`, aircraft: '738', cabins: [{ cabin: 'Y', seats: 150 }] }],
  }
  const answer = await fetch(`${process.env.FLIGHTLINE_REPLICA}/providers/west/events`, {
    method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body: `${JSON.stringify(event)}\n`,
  })
  assert.equal((await answer.json()).accepted, 1)
}

test('an airline moves a flight: the change is listed, accepted, and the order paid', async () => {
  const search = await client.offerRequests.create({ slices: [slice('ORD', 'BOI', day(6))], passengers: [{ type: 'adult' }], max_connections: 0 })
  const offer = search.data.offers.find((o) => o.slices[0].segments[0].marketing_carrier_flight_number === '9103')
  const order = (await client.orders.create(held(offer))).data
  assert.deepEqual((await client.airlineInitiatedChanges.list(order.id)).data, [])
  assert.deepEqual((await client.seatMaps.get({ offer_id: offer.id })).data, [])
  assert.deepEqual((await client.orders.getAvailableServices(order.id)).data, [])

  await move(day(6), '20:30', '23:00')
  let changes = []
  for (let tries = 0; changes.length === 0; tries++) {
    assert.ok(tries < 100, 'the order never hears that its flight was moved')
    await pause(100)
    changes = (await client.airlineInitiatedChanges.list(order.id)).data
  }
  const [change] = changes
  assert.equal(change.order_id, order.id)
  assert.equal(change.action_taken, null)
  assert.ok(change.available_actions.includes('accept'), change.available_actions)
  assert.equal(change.added[0].segments[0].departing_at, `${day(6)}T20:30:00`)
  assert.deepEqual((await client.orders.get(order.id)).data.airline_initiated_changes.map((c) => c.id), [change.id])

  await refused(client.payments.create(payment(order)), { ...invalidState, code: 'schedule_changed' })
  const accepted = (await client.airlineInitiatedChanges.accept(change.id)).data
  assert.equal(accepted.id, change.id)
  assert.equal(accepted.action_taken, 'accepted')
  assert.ok(accepted.action_taken_at)
  assert.deepEqual((await client.airlineInitiatedChanges.list(order.id)).data, [])
  assert.equal((await client.payments.create(payment(order))).status, 201)
  assert.equal((await client.orders.get(order.id)).data.slices[0].segments[0].departing_at, `${day(6)}T20:30:00`)
})
