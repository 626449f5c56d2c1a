import test from 'node:test'
import assert from 'node:assert/strict'
import { connect, all, refused } from './trip.mjs'

const client = connect()

test('places are suggested by code and by name, cities with their airports', async () => {
  const byCode = (await client.suggestions.list({ query: 'JFK' })).data
  assert.equal(byCode[0].type, 'airport')
  assert.equal(byCode[0].iata_code, 'JFK')
  assert.equal(byCode[0].time_zone, 'America/New_York')
  assert.equal(byCode[0].iata_city_code, 'NYC')

  const byName = (await client.suggestions.list({ query: 'New York' })).data
  const city = byName.find((place) => place.type === 'city' && place.iata_code === 'NYC')
  assert.ok(city, `no city NYC among ${byName.map((place) => place.id)}`)
  const airports = city.airports.map((airport) => airport.iata_code)
  for (const code of ['JFK', 'LGA', 'EWR']) assert.ok(airports.includes(code), `${code} is missing in ${airports}`)
  assert.deepEqual((await client.suggestions.list({ query: 'zzzzqqq' })).data, [])
})

test('airports, airlines and aircraft are listed in pages and found by id', async () => {
  for (const [kind, prefix] of [['airports', 'arp_'], ['airlines', 'arl_'], ['aircraft', 'arc_']]) {
    const first = await client[kind].list({ limit: 2 })
    assert.equal(first.data.length, 2, kind)
    assert.ok(first.meta.after, `${kind}: more than two, so a cursor`)
    const second = await client[kind].list({ limit: 2, after: first.meta.after })
    assert.ok(second.data.length > 0)
    assert.ok(!first.data.some((item) => second.data.some((other) => other.id === item.id)), `${kind}: a page repeats another`)
    const one = (await client[kind].get(first.data[0].id)).data
    assert.deepEqual(one, first.data[0])
    assert.ok(one.id.startsWith(prefix))
    await refused(client[kind].get(`${prefix}none_such`), { status: 404, type: 'invalid_request_error', code: 'not_found' })
  }
})

test('the generator goes through all pages, each item once', async () => {
  for (const [kind, some] of [['airports', ['JFK', 'LAX']], ['airlines', ['AA', 'UA']], ['aircraft', ['738', '320']]]) {
    const items = await all(client[kind].listWithGenerator())
    assert.equal(new Set(items.map((item) => item.id)).size, items.length, `${kind}: an id came twice`)
    const codes = new Set(items.map((item) => item.iata_code))
    for (const code of some) assert.ok(codes.has(code), `${kind}: no ${code} among ${items.length}`)
  }
})
