// A client that is content must not hide a fault: the proxy reports it, and changes nothing.
import test from 'node:test'
import assert from 'node:assert/strict'
import http from 'node:http'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import duffel from '@duffel/api'
import { startProxy } from '../lib/proxy.mjs'
import { report } from '../lib/report.mjs'
import { signed } from '../lib/receiver.mjs'
import * as sample from './samples.mjs'

/** A replica that answers one thing; gives the proxy before it. */
async function before(t, answer) {
  const server = http.createServer((request, response) => {
    request.resume()
    answer(response, request)
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'))
  const transcript = join(folder, 'transcript.ndjson')
  const proxy = await startProxy({ target: `http://127.0.0.1:${server.address().port}`, transcript })
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return { proxy, transcript, client: new duffel.Duffel({ token: 'test', basePath: proxy.url }) }
}

const json = (status, body, headers = {}) => (response) => {
  response.writeHead(status, { ...sample.headers(), ...headers })
  response.end(JSON.stringify(body))
}

test('a fault that the client does not notice fails the run', async (t) => {
  const spoilt = { ...sample.order(), total_amount: 120 }
  const { proxy, transcript, client } = await before(t, json(200, { data: spoilt }))
  assert.equal((await client.orders.get('ord_1')).data.total_amount, 120, 'the client sees what was sent')
  await proxy.stop()
  assert.deepEqual(proxy.exchanges.map((e) => [e.client, e.route, e.faults.map((f) => f.pointer)]), [
    ['npm v2', 'GET /air/orders/{id}', ['/data/total_amount', '/data/total_amount']],
  ])
  const printed = capture(() => assert.equal(report(proxy.exchanges, transcript), false))
  assert.match(printed, /fault: GET \/air\/orders\/ord_1 -> 200\n {2}at \/data\/total_amount: expected string; found 120/)
  assert.equal(JSON.parse(readFileSync(transcript, 'utf8')).faults.length, 2)
})

test('compressed answers are judged too, and passed on as they are', async (t) => {
  const { proxy, client } = await before(t, (response) => {
    response.writeHead(200, { ...sample.headers(), 'content-encoding': 'gzip' })
    response.end(gzipSync(JSON.stringify({ data: sample.order() })))
  })
  assert.equal((await client.orders.get('ord_1')).data.id, 'ord_1')
  await proxy.stop()
  assert.deepEqual(proxy.exchanges[0].faults, [])
})

test('a connection that breaks is a fault', async (t) => {
  const { proxy, client } = await before(t, (response) => response.destroy())
  await assert.rejects(client.orders.get('ord_1'))
  await proxy.stop()
  assert.equal(proxy.exchanges[0].outcome, 'broken')
  assert.equal(proxy.exchanges[0].faults.length, 1)
})

test('an answer that cannot be read is a fault', async (t) => {
  const { proxy, client } = await before(t, (response) => {
    response.writeHead(200, { ...sample.headers(), 'content-encoding': 'gzip' })
    response.end('not compressed')
  })
  await assert.rejects(client.orders.get('ord_1'))
  await proxy.stop()
  assert.match(proxy.exchanges[0].faults[0].expected, /can be read/)
})

test('a run that left calls out is no clean run', async () => {
  const printed = capture(() => assert.equal(report([], 'none'), false))
  assert.match(printed, /never answered with success: GET \/places\/suggestions/)
})

test('a signature of other bytes, of another secret or none is no signature', () => {
  const raw = Buffer.from('{"a":1}')
  // Worked out with `openssl dgst -sha256 -hmac secret` over `1.{"a":1}`.
  const good = { raw, headers: { 'x-duffel-signature': 't=1,v1=7900dcfa0dd8e32ee0ef71db511fc5d7b91ed98221ea7eb400f3072f0d7dd39d' } }
  assert.equal(signed(good, 'secret'), true)
  assert.equal(signed(good, 'other'), false)
  assert.equal(signed({ ...good, raw: Buffer.from('{"a":2}') }, 'secret'), false)
  assert.equal(signed({ raw, headers: {} }, 'secret'), false)
})

function capture(run) {
  const lines = []
  const log = console.log
  console.log = (text) => lines.push(text)
  try {
    run()
  } finally {
    console.log = log
  }
  return lines.join('\n')
}
