// Judges one exchange: the answer of a call, against the shape and the rules of that call.
import { validators, show } from './schemas.mjs'
import { checkValues } from './values.mjs'
import { checkRules } from './rules.mjs'
import { routeOf } from './routes.mjs'

const errorTypes = {
  400: ['invalid_request_error'],
  401: ['authentication_error'],
  403: ['authentication_error'],
  404: ['invalid_request_error'],
  406: ['invalid_request_error'],
  422: ['validation_error', 'invalid_state_error', 'airline_error'],
  429: ['rate_limit_error'],
}

/** Makes the judge: `judge({method, url, status, headers, body})` gives `{route, outcome, faults}`. Headers have lower-case names. */
export function makeJudge() {
  const shapes = validators()
  const seen = new Set()
  return (exchange) => judge(shapes, seen, exchange)
}

function judge(shapes, seen, { method, url, status, headers, body }) {
  const { pathname, searchParams } = new URL(url, 'http://replica')
  const route = routeOf(method, pathname)
  const faults = checkHeaders(headers, seen)
  const fault = (pointer, expected) => faults.push({ pointer, expected })
  const outcome = status < 400 ? 'answered' : 'refused'
  const done = () => ({ route: route?.name ?? `${method} ${pathname}`, outcome, faults })
  if (!route) {
    fault('', 'a call of the booking API; this path is none, see routes.mjs')
    return done()
  }
  if (status < 400 && !route.statuses.includes(status)) fault('', `status ${route.statuses.join(' or ')}; found ${status}`)
  if (status === 204) {
    if (body !== '') fault('', `no body with 204; found ${show(body)}`)
    return done()
  }
  if (status < 400 && route.data === 'any') return done()
  if (!(headers['content-type'] ?? '').includes('json')) {
    fault('', `a JSON content type; found ${show(headers['content-type'])}`)
    return done()
  }
  let json
  try {
    json = JSON.parse(body)
  } catch (error) {
    fault('', `JSON; ${error.message}; found ${show(body)}`)
    return done()
  }
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    fault('', `an object; found ${show(json)}`)
    return done()
  }
  if (status >= 500) fault('', `no server error; found ${status} ${show(json)}`)
  if (status >= 400) faults.push(...checkError(shapes, status, json))
  else faults.push(...checkSuccess(shapes, route, searchParams, json))
  return done()
}

function checkHeaders(headers, seen) {
  const faults = []
  const fault = (name, expected) => faults.push({ pointer: `header ${name}`, expected: `${expected}; found ${show(headers[name])}` })
  const id = headers['x-request-id']
  if (!id) fault('x-request-id', 'an id of the request')
  else if (seen.has(id)) fault('x-request-id', 'an id that no other answer has')
  seen.add(id)
  for (const name of ['ratelimit-limit', 'ratelimit-remaining']) {
    if (!/^\d+$/.test(headers[name] ?? '')) fault(name, 'a whole number')
  }
  const reset = headers['ratelimit-reset'] ?? ''
  if (!/ GMT$/.test(reset) || Number.isNaN(Date.parse(reset))) fault('ratelimit-reset', 'an HTTP date like Tue, 24 Nov 2020 08:22:00 GMT')
  return faults
}

function checkSuccess(shapes, route, query, json) {
  const faults = []
  const fault = (pointer, expected) => faults.push({ pointer, expected })
  // The npm client throws on any answer that has this key, whatever the status.
  if ('errors' in json) fault('/errors', 'no such key in a success')
  if (!('data' in json)) {
    fault('/data', 'the key; found no such key')
    return faults
  }
  const list = route.data !== 'one'
  if (list !== Array.isArray(json.data)) {
    fault('/data', `${list ? 'a list' : 'one object'}; found ${show(json.data)}`)
    return faults
  }
  if (route.data === 'list') faults.push(...checkMeta(json, query))
  if (route.data === 'bare list' && 'meta' in json) fault('/meta', 'no such key: suggestions have no pages')
  const shape = route.shapeFor(query)
  const items = list ? json.data.map((item, i) => [item, `/data/${i}`]) : [[json.data, '/data']]
  for (const [item, pointer] of items) {
    const wrong = shapes[shape](item).map((f) => ({ ...f, pointer: `${pointer}${f.pointer}` }))
    faults.push(...wrong, ...checkValues(item, pointer))
    // Rules read what the shape promises, so they wait until it is kept.
    if (wrong.length === 0) faults.push(...checkRules(shape, item, pointer))
  }
  return faults
}

function checkMeta({ data, meta }, query) {
  const faults = []
  const fault = (pointer, expected, found) => faults.push({ pointer, expected: `${expected}; found ${show(found)}` })
  if (meta === null || typeof meta !== 'object') {
    fault('/meta', 'an object: without it the Python client sees an empty list', meta)
    return faults
  }
  const asked = Number(query.get('limit') ?? 50)
  if (meta.limit !== asked) fault('/meta/limit', `the limit in force, ${asked}`, meta.limit)
  if (data.length > asked) fault('/data', `at most ${asked} items`, data.length)
  for (const cursor of ['after', 'before']) {
    if (!(cursor in meta) || (meta[cursor] !== null && typeof meta[cursor] !== 'string')) fault(`/meta/${cursor}`, 'a cursor or null, always present', meta[cursor])
  }
  return faults
}

function checkError(shapes, status, json) {
  const faults = []
  const fault = (pointer, expected, found) => faults.push({ pointer, expected: `${expected}; found ${show(found)}` })
  if (!Array.isArray(json.errors) || json.errors.length === 0) fault('/errors', 'at least one error', json.errors)
  else {
    json.errors.forEach((error, i) => {
      faults.push(...shapes.error(error).map((f) => ({ ...f, pointer: `/errors/${i}${f.pointer}` })))
      for (const key of ['type', 'code', 'title', 'message', 'documentation_url']) {
        if (error?.[key] === '') fault(`/errors/${i}/${key}`, 'a text that says something', '')
      }
      const types = errorTypes[status] ?? ['api_error']
      if (!types.includes(error?.type)) fault(`/errors/${i}/type`, `${types.join(' or ')} with status ${status}`, error?.type)
      if (error?.type === 'validation_error' && !error.source) fault(`/errors/${i}/source`, 'the field that is wrong', error.source)
    })
  }
  faults.push(...shapes.errorMeta(json.meta).map((f) => ({ ...f, pointer: `/meta${f.pointer}` })))
  if (json.meta?.status !== status) fault('/meta/status', `the status of the answer, ${status}`, json.meta?.status)
  return faults
}
