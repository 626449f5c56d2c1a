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
  const keep = (request, verdict, seen = {}) => {
    const exchange = { client: clientOf(request.headers['user-agent'] ?? ''), method: request.method, url: request.url, status: seen.status, ...verdict }
    exchanges.push(exchange)
    log.write(`${JSON.stringify({ ...exchange, ...seen })}\n`)
  }

  const server = http.createServer(async (request, response) => {
    try {
      const sent = await collect(request)
      const answer = await ask(target, request, sent)
      const plain = decompress[answer.headers['content-encoding']]?.(answer.bytes) ?? answer.bytes
      const seen = { method: request.method, url: request.url, status: answer.status, headers: answer.headers, body: plain.toString('utf8') }
      keep(request, judge(seen), { ...seen, sent: sent.toString('utf8') })
      response.writeHead(answer.status, endToEnd(answer.headers))
      response.end(answer.bytes)
    } catch (error) {
      const fault = { pointer: '', expected: `an answer that can be read; found ${error.message}` }
      keep(request, { route: `${request.method} ${request.url}`, outcome: 'broken', faults: [fault] })
      response.destroy()
    }
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    exchanges,
    async stop() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      await new Promise((written) => log.end(written))
    },
  }
}

// A connection for each call: one that is used again may be closed by the other side at that moment.
function ask(target, request, body) {
  return new Promise((answered, failed) => {
    const headers = { ...endToEnd(request.headers), host: new URL(target).host }
    const upstream = http.request(new URL(request.url, target), { method: request.method, headers, agent: false })
    // Only so that a run ends when a replica hangs.
    upstream.setTimeout(60_000, () => upstream.destroy(new Error('none within 60 s')))
    upstream.on('error', failed)
    upstream.on('response', (answer) => {
      collect(answer).then((bytes) => answered({ status: answer.statusCode, headers: answer.headers, bytes }), failed)
    })
    upstream.end(body)
  })
}

// Headers that concern one connection only are not passed on to the next.
function endToEnd({ connection, 'keep-alive': keepAlive, 'transfer-encoding': coding, ...headers }) {
  return headers
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
