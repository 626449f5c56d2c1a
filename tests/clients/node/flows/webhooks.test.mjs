import test from 'node:test'
import assert from 'node:assert/strict'
import { connect, day, offersFor, held, payment, refused, withoutBody } from './trip.mjs'
import { startReceiver, signed } from '../lib/receiver.mjs'

const client = connect()

test('events of an order reach the webhook, signed, and again on demand', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.stop())
  const events = ['order.created', 'payment.created', 'ping.triggered']
  const created = await client.webhooks.create({ url: receiver.url, events })
  assert.equal(created.status, 201)
  const webhook = created.data
  assert.equal(webhook.url, receiver.url)
  assert.deepEqual(webhook.events, events)
  assert.equal(webhook.active, true)
  assert.ok(webhook.secret.length >= 16, 'a secret that cannot be guessed')

  const listed = async () => (await client.webhooks.list({ limit: 200 })).data.find((w) => w.id === webhook.id)
  assert.ok(await listed(), 'the webhook is not listed')
  assert.ok(!('secret' in (await listed())), 'the secret is shown once only')

  await withoutBody(client.webhooks.ping(webhook.id))
  const [ping] = await receiver.deliveries((event) => event.type === 'ping.triggered')
  checkDelivery(ping, webhook.secret)

  const [offer] = await offersFor(client, day(4))
  const order = (await client.orders.create(held(offer))).data
  const ofOrder = (event) => event.type === 'order.created' && event.idempotency_key === order.id
  const [ordered] = await receiver.deliveries(ofOrder)
  checkDelivery(ordered, webhook.secret)
  assert.equal(ordered.event.data.object.id, order.id)

  const paid = (await client.payments.create(payment(order))).data
  const [money] = await receiver.deliveries((event) => event.type === 'payment.created' && event.idempotency_key === paid.id)
  checkDelivery(money, webhook.secret)

  // The client's `get` asks for an event, whatever its declaration says.
  const stored = (await client.webhooks.get(ordered.event.id)).data
  assert.deepEqual({ id: stored.id, type: stored.type }, { id: ordered.event.id, type: 'order.created' })
  assert.equal(stored.idempotency_key, order.id)

  const before = receiver.received.filter((d) => ofOrder(d.event)).length
  await withoutBody(client.webhooks.redeliver(ordered.event.id))
  const twice = await receiver.deliveries(ofOrder, before + 1)
  for (const delivery of twice) {
    checkDelivery(delivery, webhook.secret)
    assert.equal(delivery.event.id, ordered.event.id, 'a delivery repeated has the same id')
  }

  const log = (await client.webhooks.listDeliveries({ endpoint_id: webhook.id, delivery_success: true, limit: 200 })).data
  assert.ok(log.some((d) => d.event_id === ping.event.id && d.response_status_code === 200), 'the ping is not in the log')

  const changed = (await client.webhooks.update(webhook.id, { active: false, events: ['order.created'], url: `${receiver.url}/2` })).data
  assert.equal(changed.active, false)
  assert.deepEqual(changed.events, ['order.created'])
  assert.equal(changed.url, `${receiver.url}/2`)
  assert.equal((await listed()).active, false)

  await withoutBody(client.webhooks.delete(webhook.id))
  assert.equal(await listed(), undefined)
  await refused(client.webhooks.delete(webhook.id), { status: 404, type: 'invalid_request_error', code: 'not_found' })
})

function checkDelivery(delivery, secret) {
  assert.equal(delivery.method, 'POST')
  assert.ok(signed(delivery, secret), `the signature is not that of the body: ${delivery.headers['x-duffel-signature']}`)
  assert.ok(!signed({ ...delivery, raw: Buffer.concat([delivery.raw, Buffer.from(' ')]) }, secret), 'the check of signatures checks nothing')
  const { event } = delivery
  assert.match(event.id, /^wev_/)
  assert.equal(event.api_version, 'v2')
  assert.equal(event.live_mode, false)
  assert.match(event.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z$/)
  assert.ok(typeof event.data.object === 'object')
}
