// Writes canonical events, one a line: flights that the bundled schedule does not have, since it
// knows departures from New York only. Ways back from Los Angeles, a connection over Chicago, and
// a flight with one seat.
// Usage: node feed.mjs FIRST_DAY > feed.ndjson
const first = process.argv[2]
if (!/^\d{4}-\d\d-\d\d$/.test(first ?? '')) {
  console.error('usage: node feed.mjs FIRST_DAY, as 2026-12-15')
  process.exit(2)
}
const days = 10
const source_version = { time: new Date().toISOString() }

// Local times; none of them on the day after.
const flights = [
  ['AA9002', 'LAX', 'JFK', '07:00', '15:25', '199.00'],
  ['UA9004', 'LAX', 'JFK', '11:30', '19:55', '174.00'],
  ['DL9006', 'LAX', 'JFK', '14:15', '22:40', '221.00'],
  ['AA9101', 'ORD', 'BOI', '15:00', '17:30', '118.00'],
  ['UA9103', 'ORD', 'BOI', '19:30', '22:00', '104.00'],
  ['DL9201', 'LAX', 'BOI', '10:00', '13:05', '89.00', 1],
]

for (let offset = 0; offset < days; offset++) {
  const date = new Date(Date.parse(`${first}T00:00:00Z`) + offset * 86_400_000).toISOString().slice(0, 10)
  for (const [number, board, off, departs, arrives, amount, seats = 150] of flights) {
    const flight_key = `${number}.${date}.${board}`
    const leg = {
      board, off, departs: `${date}T${departs}`, arrives: `${date}T${arrives}`, aircraft: '738',
      cabins: [{ cabin: 'Y', seats }],
    }
    console.log(JSON.stringify({ type: 'schedule', flight_key, source_version, legs: [leg] }))
    console.log(JSON.stringify({ type: 'fares', flight_key, source_version, quality: ['synthetic_fare'], fares: [{ cabin: 'Y', amount, currency: 'USD' }] }))
  }
}
