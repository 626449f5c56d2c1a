// Answers that are right in every field, for the self-tests to spoil one thing at a time.
const instant = '2026-01-02T03:04:05.123456Z'
const later = '2026-01-02T03:24:05.123456Z'

export const airport = (code) => ({
  type: 'airport', id: `arp_${code.toLowerCase()}_us`, name: code, iata_code: code, icao_code: `K${code}`, iata_country_code: 'US',
  iata_city_code: null, city: null, city_name: code, latitude: 40.5, longitude: -73.5, time_zone: 'America/New_York',
})

const airline = { id: 'arl_aa', name: 'American Airlines', iata_code: 'AA', logo_symbol_url: null, logo_lockup_url: null, conditions_of_carriage_url: null }
const allowed = { allowed: true, penalty_amount: '0.00', penalty_currency: 'USD' }
const conditions = { change_before_departure: null, refund_before_departure: allowed }

const segment = () => ({
  id: 'seg_1', origin: airport('JFK'), destination: airport('LAX'), origin_terminal: null, destination_terminal: null,
  departing_at: '2026-02-02T10:00:00', arriving_at: '2026-02-02T13:10:00', duration: 'PT6H10M', distance: '3983.2',
  aircraft: { id: 'arc_738', name: 'Boeing 737-800', iata_code: '738' },
  marketing_carrier: airline, marketing_carrier_flight_number: '1', operating_carrier: airline, operating_carrier_flight_number: '1',
  stops: [],
  passengers: [{ passenger_id: 'pas_1', cabin_class: 'economy', cabin_class_marketing_name: 'Economy', fare_basis_code: null, baggages: [], cabin: null, seat: null }],
})

const slice = () => ({
  id: 'sli_1', origin: airport('JFK'), destination: airport('LAX'), origin_type: 'airport', destination_type: 'airport',
  duration: 'PT6H10M', fare_brand_name: null, segments: [segment()],
})

const money = { total_amount: '120.00', total_currency: 'USD', base_amount: '100.00', base_currency: 'USD', tax_amount: '20.00', tax_currency: 'USD' }

export const offer = () => structuredClone({
  id: 'off_1', live_mode: false, partial: false, created_at: instant, updated_at: instant, expires_at: later, ...money,
  total_emissions_kg: null, owner: airline,
  passengers: [{ id: 'pas_1', type: 'adult', age: null, fare_type: null, given_name: null, family_name: null, loyalty_programme_accounts: [] }],
  payment_requirements: { requires_instant_payment: false, payment_required_by: later, price_guarantee_expires_at: later },
  conditions, passenger_identity_documents_required: false, supported_passenger_identity_document_types: [],
  allowed_passenger_identity_document_types: [], supported_loyalty_programmes: [], private_fares: [], available_services: [],
  slices: [{ ...slice(), ngs_shelf: null, comparison_key: 'k', conditions: { ...conditions, advance_seat_selection: null, priority_boarding: null, priority_check_in: null } }],
})

export const offerRequest = () => structuredClone({
  id: 'orq_1', live_mode: false, created_at: instant, cabin_class: 'economy', client_key: 'k',
  slices: [{ origin: airport('JFK'), destination: airport('LAX'), origin_type: 'airport', destination_type: 'airport', departure_date: '2026-02-02' }],
  passengers: [{ id: 'pas_1', type: 'adult', age: null, given_name: null, family_name: null, loyalty_programme_accounts: [] }],
  offers: [offer()],
})

export const order = () => structuredClone({
  id: 'ord_1', live_mode: false, created_at: instant, type: 'hold', offer_id: 'off_1', booking_reference: 'ABC234', content: 'managed',
  owner: airline, ...money, conditions, services: [], documents: [], metadata: {}, available_actions: ['cancel', 'update'],
  passengers: [{
    id: 'pas_1', type: 'adult', title: 'ms', gender: 'f', given_name: 'Amelia', family_name: 'Earhart', born_on: '1987-07-24',
    email: 'amelia@example.com', phone_number: '+442080160508', infant_passenger_id: null, loyalty_programme_accounts: [],
  }],
  slices: [{ ...slice(), changeable: false, conditions: { change_before_departure: null } }],
  payment_status: { awaiting_payment: true, payment_required_by: later, price_guarantee_expires_at: later, paid_at: null },
  cancelled_at: null, cancellation: null, airline_initiated_changes: [], changes: [], synced_at: instant, void_window_ends_at: null,
})

export const orderCancellation = () => structuredClone({
  id: 'ore_1', live_mode: false, order_id: 'ord_1', created_at: instant, expires_at: later, confirmed_at: null,
  refund_amount: '0.00', refund_currency: 'USD', refund_to: 'awaiting_payment', airline_credits: [],
})

export const payment = () => structuredClone({ id: 'pay_1', live_mode: false, created_at: instant, type: 'balance', amount: '120.00', currency: 'USD' })

export const refusal = () => ({
  errors: [{
    type: 'validation_error', code: 'validation_required', title: 'Required field', message: "Field 'slices' can't be blank",
    documentation_url: 'https://example.com', source: { field: 'slices', pointer: '/slices' },
  }],
  meta: { status: 422, request_id: 'r' },
})

let count = 0

/** Headers of a right answer. */
export const headers = () => ({
  'content-type': 'application/json', 'x-request-id': `r${(count += 1)}`,
  'ratelimit-limit': '60', 'ratelimit-remaining': '59', 'ratelimit-reset': 'Tue, 24 Nov 2020 08:22:00 GMT',
})
