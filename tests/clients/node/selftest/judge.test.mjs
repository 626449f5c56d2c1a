// The judge must find each of these faults, where it is, and must find none in a right answer.
import test from 'node:test'
import assert from 'node:assert/strict'
import { makeJudge } from '../lib/judge.mjs'
import * as sample from './samples.mjs'

const judge = makeJudge()
const exchange = (method, url, status, json, headers = {}) => ({
  method, url, status, headers: { ...sample.headers(), ...headers }, body: typeof json === 'string' ? json : JSON.stringify(json),
})

const calls = {
  offer: (data) => exchange('GET', '/air/offers/off_1', 200, { data }),
  offerRequest: (data) => exchange('POST', '/air/offer_requests/?return_offers=true', 201, { data }),
  order: (data) => exchange('GET', '/air/orders/ord_1', 200, { data }),
  orderCancellation: (data) => exchange('POST', '/air/order_cancellations', 201, { data }),
  payment: (data) => exchange('POST', '/air/payments', 201, { data }),
}

/** Sets or, with `undefined`, removes what a pointer names. */
function spoil(value, pointer, replacement) {
  const keys = pointer.split('/').slice(1)
  const last = keys.pop()
  const parent = keys.reduce((node, key) => node[key], value)
  if (replacement === undefined) delete parent[last]
  else parent[last] = replacement
  return value
}

const found = (verdict) => verdict.faults.map((f) => f.pointer)

test('right answers have no fault', () => {
  for (const [name, call] of Object.entries(calls)) assert.deepEqual(judge(call(sample[name]())).faults, [], name)
  assert.deepEqual(judge(exchange('POST', '/air/orders', 422, sample.refusal())).faults, [])
  assert.deepEqual(judge(exchange('DELETE', '/air/webhooks/end_1', 204, '')).faults, [])
  const list = { data: [sample.order()], meta: { limit: 50, after: null, before: null } }
  assert.deepEqual(judge(exchange('GET', '/air/orders', 200, list)).faults, [])
  const { offers: _, ...without } = sample.offerRequest()
  assert.deepEqual(judge(exchange('POST', '/air/offer_requests?return_offers=false', 201, { data: without })).faults, [])
})

// [sample, what is spoilt, with what, where the fault is found if elsewhere]
const spoilt = [
  ['offer', '/total_emissions_kg', undefined],
  ['offer', '/allowed_passenger_identity_document_types', undefined],
  ['offer', '/slices/0/conditions/refund_before_departure', undefined],
  ['offer', '/slices/0/segments/0/stops', undefined],
  ['offer', '/slices/0/segments/0/origin/time_zone', undefined],
  ['offer', '/slices/0/segments/0/passengers/0/cabin', undefined],
  ['offer', '/total_amount', 120],
  ['offer', '/total_amount', '120'],
  ['offer', '/total_amount', '121.00'],
  ['offer', '/total_currency', 'usd'],
  ['offer', '/expires_at', '2026-01-02T03:24:05Z'],
  ['offer', '/expires_at', '2026-01-02T03:24:05.123456789Z'],
  ['offer', '/expires_at', '2026-01-02T03:24:05.123456+00:00'],
  ['offer', '/expires_at', '2026-01-02T03:04:05.000000Z'],
  ['offer', '/slices/0/segments/0/departing_at', '2026-02-02T10:00:00Z'],
  ['offer', '/slices/0/duration', '6:10'],
  ['offer', '/slices/0/segments', []],
  ['offer', '/slices', []],
  ['offer', '/owner/id', 'AA'],
  ['offer', '/payment_requirements/requires_instant_payment', true, '/payment_requirements'],
  ['offer', '/payment_requirements/payment_required_by', null],
  ['offer', '/conditions/refund_before_departure/allowed', false, '/conditions/refund_before_departure/penalty_amount'],
  ['offer', '/slices/0/segments/0/passengers/0/passenger_id', 'pas_2', '/slices/0/segments/0/passengers'],
  ['offerRequest', '/client_key', undefined],
  ['offerRequest', '/offers', undefined],
  ['offerRequest', '/offers/0/allowed_passenger_identity_document_types', undefined],
  ['offerRequest', '/passengers/0/age', undefined],
  ['offerRequest', '/slices/0/origin', { ...sample.airport('JFK'), type: 'town' }],
  ['offerRequest', '/slices/0/departure_date', '02/02/2026'],
  ['order', '/type', undefined],
  ['order', '/content', undefined],
  ['order', '/slices/0/changeable', undefined],
  ['order', '/payment_status/price_guarantee_expires_at', undefined],
  ['order', '/documents', [{ type: 'electronic_ticket', unique_identifier: '1', passenger_ids: ['pas_1'] }]],
  ['order', '/available_actions', ['cancel', 'fly'], '/available_actions/1'],
  ['order', '/payment_status/paid_at', '2026-01-02T03:04:05.123456Z', '/payment_status/awaiting_payment'],
  ['order', '/cancelled_at', '2026-01-02T03:04:05.123456Z', '/cancellation'],
  ['order', '/void_window_ends_at', 'tomorrow'],
  ['orderCancellation', '/refund_to', 'cash'],
  ['orderCancellation', '/refund_amount', '5.00'],
  ['orderCancellation', '/refund_currency', null],
  ['payment', '/live_mode', undefined],
  ['payment', '/amount', 120],
  ['payment', '/type', 'card'],
]

for (const [name, pointer, value, at = pointer] of spoilt) {
  test(`${name} with ${pointer} ${value === undefined ? 'missing' : JSON.stringify(value).slice(0, 60)}`, () => {
    const verdict = judge(calls[name](spoil(sample[name](), pointer, value)))
    assert.ok(found(verdict).includes(`/data${at}`), `found only ${JSON.stringify(verdict.faults)}`)
  })
}

// [what is wrong, the exchange, where]
const wrong = [
  ['another status', exchange('POST', '/air/payments', 200, { data: sample.payment() }), ''],
  ['202 for an order', exchange('POST', '/air/orders', 202, { data: sample.order() }), ''],
  ['a server error', exchange('GET', '/air/orders/ord_1', 500, { errors: [], meta: {} }), ''],
  ['a path that is no call', exchange('GET', '/air/trains', 200, { data: [] }), ''],
  ['a body with 204', exchange('DELETE', '/air/webhooks/end_1', 204, '{}'), ''],
  ['no JSON content type', exchange('GET', '/air/orders/ord_1', 200, { data: sample.order() }, { 'content-type': 'text/plain' }), ''],
  ['no JSON', exchange('GET', '/air/orders/ord_1', 200, '{"data"'), ''],
  ['null for an object', exchange('GET', '/air/orders/ord_1', 200, 'null'), ''],
  ['null for an error', exchange('GET', '/air/orders/ord_1', 404, { errors: [null], meta: null }), '/errors/0'],
  ['a list for an object', exchange('GET', '/air/orders', 422, '[]'), ''],
  ['no request id', exchange('POST', '/air/payments', 201, { data: sample.payment() }, { 'x-request-id': '' }), 'header x-request-id'],
  ['a reset in seconds', exchange('POST', '/air/payments', 201, { data: sample.payment() }, { 'ratelimit-reset': '60' }), 'header ratelimit-reset'],
  ['errors in a success', exchange('POST', '/air/payments', 201, { data: sample.payment(), errors: [] }), '/errors'],
  ['a list for one', exchange('POST', '/air/payments', 201, { data: [sample.payment()] }), '/data'],
  ['offers that were not wanted', exchange('POST', '/air/offer_requests?return_offers=false', 201, { data: sample.offerRequest() }), '/data/offers'],
  ['no meta', exchange('GET', '/air/orders', 200, { data: [] }), '/meta'],
  ['no after', exchange('GET', '/air/orders', 200, { data: [], meta: { limit: 50, before: null } }), '/meta/after'],
  ['a limit as text', exchange('GET', '/air/orders?limit=2', 200, { data: [], meta: { limit: '2', after: null, before: null } }), '/meta/limit'],
  ['a page too long', exchange('GET', '/air/orders?limit=1', 200, { data: [sample.order(), sample.order()], meta: { limit: 1, after: null, before: null } }), '/data'],
  ['a fault inside a list', exchange('GET', '/air/orders', 200, { data: [sample.order(), spoil(sample.order(), '/metadata', undefined)], meta: { limit: 50, after: null, before: null } }), '/data/1/metadata'],
  ['meta on suggestions', exchange('GET', '/places/suggestions?query=x', 200, { data: [], meta: {} }), '/meta'],
  ['no errors in a refusal', exchange('POST', '/air/orders', 422, { errors: [], meta: { status: 422, request_id: 'r' } }), '/errors'],
  ['a refusal without a title', exchange('POST', '/air/orders', 422, spoil(sample.refusal(), '/errors/0/title', undefined)), '/errors/0/title'],
  ['a refusal without its place', exchange('POST', '/air/orders', 422, spoil(sample.refusal(), '/errors/0/source', undefined)), '/errors/0/source'],
  ['a pointer with /data', exchange('POST', '/air/orders', 422, spoil(sample.refusal(), '/errors/0/source/pointer', '/data/slices')), '/errors/0/source/pointer'],
  ['another type for the status', exchange('POST', '/air/orders', 404, spoil(sample.refusal(), '/meta/status', 404)), '/errors/0/type'],
  ['another status in meta', exchange('POST', '/air/orders', 422, spoil(sample.refusal(), '/meta/status', 400)), '/meta/status'],
]

for (const [name, spoiltExchange, at] of wrong) {
  test(`an answer with ${name}`, () => {
    const verdict = judge(spoiltExchange)
    assert.ok(found(verdict).includes(at), `found only ${JSON.stringify(verdict.faults)}`)
  })
}

test('a request id that came before', () => {
  const twice = () => exchange('POST', '/air/payments', 201, { data: sample.payment() }, { 'x-request-id': 'same' })
  assert.deepEqual(judge(twice()).faults, [])
  assert.deepEqual(found(judge(twice())), ['header x-request-id'])
})

test('what is expected is said with what was found', () => {
  const [fault] = judge(calls.payment({ ...sample.payment(), amount: 120 })).faults
  assert.deepEqual(fault, { pointer: '/data/amount', expected: 'string; found 120' })
})
