// Receives webhooks as a booking client's server would: keeps what comes, and checks signatures
// from the documented rule alone. The npm client has no helper for that.
import http from 'node:http'
import { createHmac, timingSafeEqual } from 'node:crypto'

/** Starts a receiver on a free loopback port. */
export async function startReceiver() {
  const received = []
  const waiting = []
  const server = http.createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const raw = Buffer.concat(chunks)
    received.push({ method: request.method, headers: request.headers, raw, event: JSON.parse(raw.toString('utf8')) })
    response.writeHead(200).end()
    for (const wake of waiting.splice(0)) wake()
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    url: `http://127.0.0.1:${server.address().port}/webhooks`,
    received,
    /** The deliveries that match, once there are `count`; fails after 30 s so that a run ends. */
    async deliveries(matches, count = 1) {
      const deadline = AbortSignal.timeout(30_000)
      for (;;) {
        const found = received.filter((delivery) => matches(delivery.event))
        if (found.length >= count) return found
        await new Promise((wake, fail) => {
          waiting.push(wake)
          deadline.addEventListener('abort', () => fail(new Error(`waited for ${count} deliveries, ${found.length} of them came; in all: ${received.map((d) => d.event.type)}`)))
        })
      }
    },
    stop: () => new Promise((closed) => {
      server.closeAllConnections()
      server.close(closed)
    }),
  }
}

/** Whether the signature header is that of the bytes: HMAC-SHA256 over `<t>.<body>`. */
export function signed(delivery, secret) {
  const match = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(delivery.headers['x-duffel-signature'] ?? '')
  if (!match) return false
  const expected = createHmac('sha256', secret).update(`${match[1]}.`).update(delivery.raw).digest()
  return timingSafeEqual(expected, Buffer.from(match[2], 'hex'))
}
