// What the flows share: a client, the days of the schedule, travellers, and how a refusal looks.
import assert from 'node:assert/strict'
import duffel from '@duffel/api'

const { Duffel, DuffelError } = duffel

const base = environment('FLIGHTLINE_URL')
const first = environment('FLIGHTLINE_DEPARTURE')

function environment(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set; run .ci/clients, which starts a replica and sets it`)
  return value
}

/** The official client, unchanged, on the replica's address. */
export const connect = (options = {}) => new Duffel({ token: 'test', basePath: base, ...options })

/** The day of the schedule so many days after the first one that the flows use. */
export function day(offset) {
  return new Date(Date.parse(`${first}T00:00:00Z`) + offset * 86_400_000).toISOString().slice(0, 10)
}

export const slice = (origin, destination, date) => ({ origin, destination, departure_date: date })

/** The offers of one adult's one-way flight, cheapest first. */
export async function offersFor(client, date, origin = 'JFK', destination = 'LAX') {
  const search = await client.offerRequests.create({
    slices: [slice(origin, destination, date)],
    passengers: [{ type: 'adult' }],
    cabin_class: 'economy',
    max_connections: 0,
    return_offers: true,
  })
  assert.equal(search.status, 201)
  const offers = [...search.data.offers].sort((a, b) => Number(a.total_amount) - Number(b.total_amount))
  assert.ok(offers.length > 1, `${origin} to ${destination} on ${date} has only ${offers.length} offers; is the schedule loaded?`)
  return offers
}

const people = [
  { title: 'ms', gender: 'f', given_name: 'Amelia', family_name: 'Earhart', born_on: '1987-07-24', email: 'amelia@example.com', phone_number: '+442080160508' },
  { title: 'mr', gender: 'm', given_name: 'Tony', family_name: "O'Neill-Stark", born_on: '1980-07-24', email: 'tony@example.com', phone_number: '+442080160509' },
  { title: 'miss', gender: 'f', given_name: 'Anne', family_name: 'Stark', born_on: '2020-02-03', email: 'tony@example.com', phone_number: '+442080160509' },
]

/** Details of somebody for each passenger of an offer. */
export const travellers = (offer) => offer.passengers.map((passenger, i) => ({ id: passenger.id, ...people[i] }))

export const held = (offer, more = {}) => ({ type: 'pay_later', selected_offers: [offer.id], passengers: travellers(offer), ...more })

export const instant = (offer, more = {}) => ({
  type: 'instant',
  selected_offers: [offer.id],
  passengers: travellers(offer),
  payments: [{ type: 'balance', amount: offer.total_amount, currency: offer.total_currency }],
  ...more,
})

export const payment = (order, more = {}) => ({
  order_id: order.id,
  payment: { type: 'balance', amount: order.total_amount, currency: order.total_currency, ...more },
})

/** The flights of an offer or order, as one text. */
export const flights = (trip) =>
  trip.slices.map((s) => s.segments.map((g) => `${g.marketing_carrier.iata_code}${g.marketing_carrier_flight_number}@${g.departing_at}`).join('+')).join(' / ')

/** Awaits a refusal with this status and type, and code and pointer where they are said; gives its first error. */
export async function refused(promise, { status, type, code, pointer }) {
  const expected = code ?? type
  let error
  try {
    const answer = await promise
    assert.fail(`expected ${status} ${expected}, was answered with ${answer.status}`)
  } catch (caught) {
    if (!(caught instanceof DuffelError)) throw caught
    error = caught
  }
  const [problem] = error.errors
  const found = { status: error.status, type: problem.type, ...(code && { code: problem.code }) }
  assert.deepEqual(found, { status, type, ...(code && { code }) }, `${problem.code}: ${problem.message}`)
  assert.equal(error.meta.status, status)
  if (pointer) assert.equal(problem.source?.pointer, pointer, `${problem.code}: ${problem.message}`)
  return problem
}

/** Awaits an answer without a body. The client throws a TypeError on each of these, whoever answers; the proxy checks the status. */
export async function withoutBody(promise) {
  await promise.catch((error) => {
    if (!(error instanceof TypeError && error.message.includes("'errors'"))) throw error
  })
}

/** All items of one of the client's generators. */
export async function all(generator) {
  const items = []
  for await (const answer of generator) items.push(answer.data)
  return items
}
