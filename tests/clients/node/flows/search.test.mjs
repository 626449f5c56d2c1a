import test from 'node:test'
import assert from 'node:assert/strict'
import { connect, day, slice, all, flights, refused } from './trip.mjs'

const client = connect()
const adult = { type: 'adult' }
const search = (slices, more = {}) =>
  client.offerRequests.create({ slices, passengers: [adult], cabin_class: 'economy', max_connections: 0, return_offers: true, ...more })

test('one way: the search, its list and its pages have the same offers', async () => {
  const request = (await search([slice('JFK', 'LAX', day(0))])).data
  assert.equal(request.slices[0].origin.iata_code, 'JFK')
  assert.equal(request.slices[0].departure_date, day(0))
  assert.equal(request.cabin_class, 'economy')
  assert.ok(request.offers.length > 5, `only ${request.offers.length} offers`)
  for (const offer of request.offers) {
    const [segment] = offer.slices[0].segments
    assert.equal(offer.slices[0].segments.length, 1, 'max_connections 0')
    assert.equal(segment.origin.iata_code, 'JFK')
    assert.equal(segment.destination.iata_code, 'LAX')
    assert.ok(segment.departing_at.startsWith(day(0)), segment.departing_at)
    assert.equal(segment.passengers[0].cabin_class, 'economy')
    assert.equal(offer.owner.id, segment.marketing_carrier.id)
    assert.ok(Number(offer.total_amount) > 0)
  }
  const expected = request.offers.map(flights).sort()
  const listed = (await client.offers.list({ offer_request_id: request.id, limit: 200 })).data
  assert.deepEqual(listed.map(flights).sort(), expected)
  const paged = await all(client.offers.listWithGenerator({ offer_request_id: request.id, limit: 3 }))
  assert.deepEqual(paged.map(flights).sort(), expected)
  assert.equal(new Set(paged.map((offer) => offer.id)).size, paged.length, 'an offer came twice')
})

test('sorted by price', async () => {
  const request = (await search([slice('JFK', 'LAX', day(0))])).data
  const prices = async (sort) =>
    (await client.offers.list({ offer_request_id: request.id, sort, limit: 200 })).data.map((offer) => Number(offer.total_amount))
  const rising = await prices('total_amount')
  assert.ok(new Set(rising).size > 1, 'one price only: nothing to sort')
  assert.deepEqual(rising, [...rising].sort((a, b) => a - b))
  assert.deepEqual(await prices('-total_amount'), [...rising].reverse())
})

test('an offer asked for again is the same offer at the same price', async () => {
  const request = (await search([slice('JFK', 'LAX', day(0))])).data
  const [offer] = request.offers
  const again = (await client.offers.get(offer.id, { return_available_services: true })).data
  assert.equal(again.id, offer.id)
  assert.equal(again.total_amount, offer.total_amount)
  assert.equal(flights(again), flights(offer))
  assert.deepEqual(again.passengers.map((p) => p.id), request.passengers.map((p) => p.id))
  assert.ok(Array.isArray(again.available_services))
})

test('a search found again by its id, and among the recent ones', async () => {
  const request = (await search([slice('JFK', 'LAX', day(0))])).data
  const again = (await client.offerRequests.get(request.id)).data
  assert.equal(again.id, request.id)
  assert.deepEqual(again.passengers, request.passengers)
  assert.deepEqual(again.offers.map(flights).sort(), request.offers.map(flights).sort())
  const recent = (await client.offerRequests.list({ limit: 50 })).data
  assert.ok(recent.some((other) => other.id === request.id), 'the search is not among the recent ones')
})

test('without offers, they are listed only', async () => {
  const request = (await search([slice('JFK', 'LAX', day(0))], { return_offers: false })).data
  assert.ok(!('offers' in request))
  assert.ok((await client.offers.list({ offer_request_id: request.id })).data.length > 1)
})

test('a city stands for its airports', async () => {
  const request = (await search([slice('NYC', 'LAX', day(0))])).data
  assert.equal(request.slices[0].origin_type, 'city')
  assert.equal(request.slices[0].origin.iata_code, 'NYC')
  const from = new Set(request.offers.map((offer) => offer.slices[0].segments[0].origin.iata_code))
  assert.ok(from.has('JFK') && from.has('EWR'), `offers depart from ${[...from]}`)
})

test('return: every offer flies there and back, in that order', async () => {
  const request = (await search([slice('JFK', 'LAX', day(0)), slice('LAX', 'JFK', day(4))])).data
  assert.ok(request.offers.length > 1)
  for (const offer of request.offers) {
    const [there, back] = offer.slices
    assert.equal(offer.slices.length, 2)
    assert.ok(there.segments[0].departing_at.startsWith(day(0)))
    assert.ok(back.segments[0].departing_at.startsWith(day(4)))
    assert.equal(back.segments.at(-1).destination.iata_code, 'JFK')
  }
})

test('connections only where they are allowed', async () => {
  const trip = [slice('LGA', 'BOI', day(0))]
  assert.deepEqual((await search(trip)).data.offers, [])
  const request = (await search(trip, { max_connections: 1 })).data
  assert.ok(request.offers.length > 0, 'no connection over Chicago')
  for (const offer of request.offers) {
    const [first, second] = offer.slices[0].segments
    // From one airport of a city to another may be part of the way.
    const [there, on] = [first.destination, second.origin]
    assert.ok(there.iata_code === on.iata_code || there.city_name === on.city_name, `${there.iata_code} is not ${on.iata_code}`)
    assert.ok(first.arriving_at < second.departing_at, 'local times of one station')
  }
  assert.deepEqual((await client.offers.list({ offer_request_id: request.id, max_connections: 0 })).data, [])
  assert.ok((await client.offers.list({ offer_request_id: request.id, max_connections: 1 })).data.length > 0)
})

test('adults and children pay for a seat each, an infant on a lap does not', async () => {
  const trip = [slice('JFK', 'LAX', day(0))]
  const price = (request) => Math.min(...request.offers.map((offer) => Number(offer.total_amount)))
  const one = price((await search(trip)).data)
  const family = (await search(trip, { passengers: [adult, adult, { age: 9 }, { age: 1 }] })).data
  assert.equal(price(family), 3 * one)
  assert.deepEqual(family.passengers.map((p) => p.age), [null, null, 9, 1])
})

test('what is wrong with a search is said with its place', async () => {
  const wrong = { status: 422, type: 'validation_error' }
  await refused(search([]), { ...wrong, code: 'validation_required', pointer: '/slices' })
  await refused(search([slice('JFK', 'LAX', day(0))], { passengers: [] }), { ...wrong, pointer: '/passengers' })
  await refused(search([slice('JFK', 'LAX', '2020-01-01')]), { ...wrong, pointer: '/slices/0/departure_date' })
  await refused(search([slice('JFK', 'nowhere', day(0))]), { ...wrong, pointer: '/slices/0/destination' })
  await refused(client.offerRequests.get('orq_none'), { status: 404, type: 'invalid_request_error', code: 'not_found' })
  await refused(client.offers.get('off_none'), { status: 404, type: 'invalid_request_error', code: 'not_found' })
  await refused(connect({ apiVersion: 'v9' }).airlines.list(), { status: 400, type: 'invalid_request_error', code: 'unsupported_version' })
})
