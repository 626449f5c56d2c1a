// The point of it all: a seat is sold once, and comes back when it is given back.
import test from 'node:test'
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, day, slice, held, flights } from './trip.mjs'

const client = connect()

/** Offers of the route on which the feed has one flight a day, with one seat. */
async function lastSeat(date) {
  const search = await client.offerRequests.create({ slices: [slice('LAX', 'BOI', date)], passengers: [{ type: 'adult' }], max_connections: 0 })
  return search.data.offers
}

/** Searches until there are so many offers: search follows a booking after a moment. Gives up so that a run ends. */
async function untilOffers(date, count) {
  for (let tries = 0; tries < 100; tries++) {
    const offers = await lastSeat(date)
    if (offers.length === count) return offers
    await pause(100)
  }
  assert.fail(`LAX to BOI on ${date} never came to ${count} offers`)
}

test('of many who saw the last seat one gets it, and it can be had again when it is given back', async () => {
  const seen = []
  for (let i = 0; i < 5; i++) seen.push((await untilOffers(day(0), 1))[0])
  assert.equal(new Set(seen.map(flights)).size, 1)

  const answers = await Promise.allSettled(seen.map((offer) => client.orders.create(held(offer))))
  const winners = answers.filter((answer) => answer.status === 'fulfilled').map((answer) => answer.value.data)
  const codes = answers.filter((answer) => answer.status === 'rejected').map(({ reason }) => reason.errors?.[0].code ?? reason)
  assert.equal(winners.length, 1, `${winners.length} got the seat; refusals: ${codes}`)
  // Which type this code has depends on who noticed; so clients go by the code.
  assert.deepEqual(codes, Array(4).fill('offer_no_longer_available'))
  await untilOffers(day(0), 0)

  const [order] = winners
  const quote = (await client.orderCancellations.create({ order_id: order.id })).data
  await client.orderCancellations.confirm(quote.id)
  const [again] = await untilOffers(day(0), 1)
  assert.equal((await client.orders.create(held(again))).status, 201)
})
