// How texts are written: instants, local times, dates, durations, money, currencies, codes.
// Told by the key, wherever it stands, so that keys which no declaration knows are looked at too.
import { show } from './schemas.mjs'

const formats = {
  // The Python client parses 1 to 6 digits of a second's fraction, and `Z`; nothing else.
  instant: [/^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{1,6}Z$/, 'an instant like 2026-01-02T03:04:05.123456Z'],
  local: [/^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/, 'a local time like 2026-01-02T03:04:05'],
  date: [/^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$/, 'a date like 2026-01-02'],
  duration: [/^P(?=.)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$/, 'an ISO 8601 duration like PT7H30M'],
  money: [/^-?\d+\.\d{2,3}$/, 'money as text like "120.00"'],
  currency: [/^[A-Z]{3}$/, 'an ISO 4217 code'],
  number: [/^\d+(\.\d+)?$/, 'a number as text'],
  country: [/^[A-Z]{2}$/, 'an ISO 3166 code of two letters'],
}

function formatOf(key) {
  if (['departing_at', 'arriving_at'].includes(key)) return 'local'
  if (/_at$/.test(key) || ['payment_required_by'].includes(key)) return 'instant'
  if (/_date$/.test(key) || /_on$/.test(key)) return 'date'
  if (key === 'duration') return 'duration'
  if (/(^|_)amount$/.test(key)) return 'money'
  if (/(^|_)currency$/.test(key)) return 'currency'
  if (['distance', 'total_emissions_kg'].includes(key)) return 'number'
  if (key === 'iata_country_code') return 'country'
  return null
}

/** Faults `{pointer, expected}` of every text below `value`; null is the schema's business. */
export function checkValues(value, pointer = '') {
  if (Array.isArray(value)) return value.flatMap((item, i) => checkValues(item, `${pointer}/${i}`))
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([key, item]) => {
    // What a client attached to its order is its own business.
    if (key === 'metadata' || item === null) return []
    const at = `${pointer}/${key}`
    const name = formatOf(key)
    if (name === null || typeof item === 'object') return checkValues(item, at)
    const [pattern, what] = formats[name]
    if (typeof item !== 'string' || !pattern.test(item)) return [{ pointer: at, expected: `${what}; found ${show(item)}` }]
    return []
  })
}
