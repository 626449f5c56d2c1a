// Runs the flows of both clients against a replica, through the proxy, and says what was off.
// Usage: FLIGHTLINE_URL=... FLIGHTLINE_DEPARTURE=... node run.mjs --python PYTHON --out DIR
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startProxy } from './lib/proxy.mjs'
import { report } from './lib/report.mjs'

const home = dirname(fileURLToPath(import.meta.url))
const { values: options } = parseArgs({ options: { python: { type: 'string' }, out: { type: 'string' } } })
const target = process.env.FLIGHTLINE_URL
if (!target || !process.env.FLIGHTLINE_DEPARTURE || !options.python || !options.out) {
  console.error('FLIGHTLINE_URL, FLIGHTLINE_DEPARTURE, --python and --out are needed; .ci/clients sets them all')
  process.exit(2)
}

function run(name, command, args, more) {
  console.log(`--> ${name}`)
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: home, ...more })
  return new Promise((done) => {
    child.on('error', (error) => { console.error(`${command}: ${error.message}`); done(false) })
    child.on('exit', (code) => done(code === 0))
  })
}

mkdirSync(options.out, { recursive: true })
const transcript = join(options.out, 'transcript.ndjson')
const proxy = await startProxy({ target, transcript })
// Providers are none of the clients: what they send goes past the judge.
const env = { ...process.env, FLIGHTLINE_URL: proxy.url, FLIGHTLINE_REPLICA: target }
const flows = readdirSync(join(home, 'flows')).filter((file) => file.endsWith('.test.mjs')).map((file) => join('flows', file))
const python = { cwd: join(home, '../python'), env: { ...env, PYTHONDONTWRITEBYTECODE: '1' } }
const passed = [
  await run('npm @duffel/api, v2', process.execPath, ['--test', '--test-reporter=spec', ...flows], { env }),
  await run('PyPI duffel-api, v1', options.python, ['-m', 'unittest', 'discover', '-s', 'flows'], { ...python, env: { ...python.env, DUFFEL_VERSION: 'v1' } }),
  await run('PyPI duffel-api, v2', options.python, ['-m', 'unittest', 'discover', '-s', 'flows'], { ...python, env: { ...python.env, DUFFEL_VERSION: 'v2' } }),
]
await proxy.stop()
const clean = report(proxy.exchanges, transcript)
process.exit(passed.every(Boolean) && clean ? 0 : 1)
