// JSON Schemas of the answers, made from the client library's own declarations at each run.
// A key that the declarations do not mark optional is required; other keys may come on top.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'
import { correct } from './corrections.mjs'

const require = createRequire(import.meta.url)
const Ajv = require('ajv')
const { createGenerator } = require('ts-json-schema-generator')
const home = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The declared shapes as one JSON Schema document, uncorrected. */
export function declared() {
  const schema = createGenerator({
    path: join(home, 'shapes.ts'),
    tsconfig: join(home, 'tsconfig.json'),
    type: 'Shapes',
    expose: 'export',
    jsDoc: 'none',
    additionalProperties: true,
    topRef: false,
  }).createSchema('Shapes')
  refuseUntyped(schema, '')
  return schema
}

// A type that cannot be resolved becomes `any`, whose schema accepts everything: no check at all.
function refuseUntyped(node, where) {
  if (node === null || typeof node !== 'object') return
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    if (typeof child === 'object' && Object.keys(child).length === 0) {
      throw new Error(`shapes.ts: the type at ${where}/${key} could not be resolved; see whether the library moved its declarations`)
    }
  }
  for (const [key, child] of Object.entries(node)) refuseUntyped(child, `${where}/${key}`)
}

/** Validators by the name of the shape: `check(value)` gives a list of `{pointer, expected}`. */
export function validators() {
  const schema = correct(declared())
  const ajv = new Ajv({ allErrors: true, strict: false, discriminator: true, verbose: true })
  ajv.addSchema({ ...schema, $id: 'shapes' })
  const made = {}
  for (const name of Object.keys(schema.properties)) {
    const validate = ajv.compile({ $ref: `shapes#/properties/${name}` })
    made[name] = (value) => (validate(value) ? [] : readable(validate.errors))
  }
  return made
}

// With `T | null` a fault inside T is also reported as "not null"; only what lies deepest helps.
function readable(errors) {
  const noise = (e) =>
    ['anyOf', 'if'].includes(e.keyword) ||
    (e.schema === 'null' && errors.some((other) => other !== e && other.instancePath.startsWith(e.instancePath)))
  const kept = errors.filter((e) => !noise(e))
  return (kept.length > 0 ? kept : errors).map((e) => ({ pointer: pointerOf(e), expected: expectation(e) }))
}

function pointerOf(e) {
  return e.keyword === 'required' ? `${e.instancePath}/${e.params.missingProperty}` : e.instancePath
}

function expectation(e) {
  const found = e.keyword === 'required' ? 'no such key' : show(e.data)
  switch (e.keyword) {
    case 'required': return `this key; found ${found}`
    case 'type': return `${[e.schema].flat().join(' or ')}; found ${found}`
    case 'enum': return `one of ${e.schema.join(', ')}; found ${found}`
    case 'const': return `${show(e.schema)}; found ${found}`
    case 'pattern': return `text like ${e.schema}; found ${found}`
    case 'false schema': return `no such key; found ${found}`
    default: return `${e.message}; found ${found}`
  }
}

/** A value, short enough for a message. */
export function show(value) {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
