// Stands between a client and the replica: passes every byte on, keeps a transcript, and has every
// answer judged. It never changes an answer: what the client sees is what the replica sent.
import http from 'node:http'
import { createWriteStream } from 'node:fs'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { makeJudge } from './judge.mjs'

const decompress = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync }

/** Starts a proxy on a free loopback port. `transcript`: file to write, one JSON object a line. */
export async function startProxy({ target, transcript }) {
  const judge = makeJudge()
  const log = createWriteStream(transcript)
  const exchanges = []
  const agent = new http.Agent({ keepAlive: true })

  const server = http.createServer(async (request, response) => {
    const sent = await collect(request)
    const headers = { ...request.headers, host: new URL(target).host }
    const upstream = http.request(new URL(request.url, target), { method: request.method, headers, agent })
    // Only so that a run ends when a replica hangs.
    upstream.setTimeout(60_000, () => upstream.destroy(new Error('none came within 60 s')))
    upstream.end(sent)
    upstream.on('error', (error) => {
      keep({ route: `${request.method} ${request.url}`, outcome: 'broken', faults: [{ pointer: '', expected: `an answer; ${error.message}` }] }, {})
      response.destroy()
    })
    upstream.on('response', async (answer) => {
      const bytes = await collect(answer)
      const plain = decompress[answer.headers['content-encoding']]?.(bytes) ?? bytes
      const seen = { method: request.method, url: request.url, status: answer.statusCode, headers: answer.headers, body: plain.toString('utf8') }
      keep(judge(seen), { ...seen, sent: sent.toString('utf8') })
      response.writeHead(answer.statusCode, answer.headers)
      response.end(bytes)
    })
    const keep = (verdict, seen) => {
      const exchange = { client: clientOf(request.headers['user-agent'] ?? ''), method: request.method, url: request.url, status: seen.status, ...verdict }
      exchanges.push(exchange)
      log.write(`${JSON.stringify({ ...exchange, ...seen })}\n`)
    }
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    exchanges,
    async stop() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      await new Promise((written) => log.end(written))
    },
  }
}

async function collect(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function clientOf(agent) {
  const version = /^Duffel\/(v\d)/.exec(agent)?.[1] ?? '?'
  if (agent.includes('javascript')) return `npm ${version}`
  if (agent.includes('python')) return `PyPI ${version}`
  return 'other'
}
