// The summary of a run: calls judged per endpoint and client, and each fault once.
import { calls } from './routes.mjs'

const clients = ['npm v2', 'PyPI v1', 'PyPI v2']

/** Prints the summary; true when no answer was at fault. */
export function report(exchanges, transcript) {
  console.log(`\n${'answers judged: successes + refusals'.padEnd(58)}${clients.map((c) => c.padStart(10)).join('')}`)
  const names = [...new Set([...calls, ...exchanges.map((e) => e.route)])]
  for (const name of names) {
    const cells = clients.map((client) => {
      const of = exchanges.filter((e) => e.route === name && e.client === client)
      const refused = of.filter((e) => e.outcome === 'refused').length
      return of.length === 0 ? '-' : `${of.length - refused}+${refused}`
    })
    console.log(`${name.padEnd(58)}${cells.map((c) => c.padStart(10)).join('')}`)
  }
  const never = calls.filter((name) => !exchanges.some((e) => e.route === name && e.outcome === 'answered'))
  if (never.length > 0) console.log(`\nnever answered with success: ${never.join(', ')}`)

  const faults = new Map()
  for (const exchange of exchanges) {
    for (const { pointer, expected } of exchange.faults) {
      // One fault in every item of a list is one line; so is a header that no answer has.
      const where = pointer.startsWith('header ') ? '' : `${exchange.route} ${exchange.status}`
      const key = `${where} ${pointer.replace(/\/\d+/g, '/*')} ${expected.split('; found ')[0]}`
      const known = faults.get(key) ?? { exchange, pointer, expected, times: 0, clients: new Set() }
      known.times += 1
      known.clients.add(exchange.client)
      faults.set(key, known)
    }
  }
  for (const { exchange, pointer, expected, times, clients: who } of faults.values()) {
    console.log(`\nfault: ${exchange.method} ${exchange.url.slice(0, 100)} -> ${exchange.status}\n  at ${pointer || 'the answer'}: expected ${expected}\n  ${times} times, ${[...who].join(', ')}`)
  }
  console.log(`\n${exchanges.length} answers judged, ${faults.size} kinds of faults; transcript: ${transcript}`)
  return faults.size === 0 && never.length === 0
}
