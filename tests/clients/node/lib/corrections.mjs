// Where the library's declarations differ from what the API documents, from what real answers
// hold, or from what the other client library needs, the schemas are corrected here, each for the
// reason that stands beside it. A correction that no longer finds its place fails the run.

/** Corrects the schema in place and returns it. */
export function correct(schema) {
  const defs = schema.definitions
  ids(defs)
  places(defs)
  offers(defs)
  orders(defs)
  cancellations(defs)
  payments(defs)
  webhooks(defs)
  schema.properties.offerRequestWithoutOffers = withoutOffers(defs.OfferRequest)
  schema.properties.webhookEvent = event
  schema.properties.offerRequestMaybeOffers = omit(defs.OfferRequest, 'offers')
  // `source` says which field is wrong; the declarations leave it out. Airlines may send a text.
  add(defs, 'ApiResponseError', 'source', {
    anyOf: [
      { type: 'object', properties: { field: { type: 'string' }, pointer: { type: 'string', pattern: '^/(?!data(/|$))' } }, required: ['field', 'pointer'] },
      { type: 'string' },
      { type: 'null' },
    ],
  })
  return schema
}

// Ids are opaque but for their prefix, which tells people and logs what they name.
function ids(defs) {
  const prefixes = {
    OfferRequest: 'orq', Offer: 'off', OfferPassenger: 'pas', OfferRequestPassenger: 'pas', OfferSlice: 'sli', OfferSliceSegment: 'seg',
    Order: 'ord', OrderPassenger: 'pas', OrderSlice: 'sli', OrderSliceSegment: 'seg', OrderService: 'ser', Payment: 'pay',
    OrderCancellation: 'ore', Airline: 'arl', Airport: 'arp', City: 'cit', Aircraft: 'arc',
    Webhooks: 'end', WebhooksCreateResponse: 'end', WebhooksListDeliveriesResponse: 'del',
  }
  for (const [name, prefix] of Object.entries(prefixes)) property(defs, name, 'id').pattern = `^${prefix}_.+`
  property(defs, 'Places', 'id').pattern = '^(arp|cit)_.+'
}

function places(defs) {
  const [airport, city] = defs.Place.anyOf
  airport.properties.id.pattern = '^arp_.+'
  city.properties.id.pattern = '^cit_.+'
  // Told apart by `type`: without this, a fault in an airport is reported as "not a city" too.
  defs.Place = { type: 'object', discriminator: { propertyName: 'type' }, required: ['type'], oneOf: [airport, city] }
}

function offers(defs) {
  // The same as declared, told apart by `allowed`: without this, a fault is reported for both kinds.
  defs.FlightsCondition = {
    ...defs.FlightsConditionAllowed,
    properties: { ...defs.FlightsConditionAllowed.properties, allowed: { type: 'boolean' } },
    if: { properties: { allowed: { const: false } } },
    then: { properties: defs.FlightsConditionNotAllowed.properties },
  }
  // Documented as null where an airline does not say.
  nullable(defs, 'OfferSliceSegment', 'operating_carrier_flight_number')
  nullable(defs, 'OfferSliceSegmentPassenger', 'fare_basis_code')
  // Null in real answers.
  nullable(defs, 'OfferSliceSegment', 'aircraft')
  nullable(defs, 'Offer', 'total_emissions_kg')
  for (const passenger of ['OfferPassenger', 'OfferRequestPassenger']) {
    for (const name of ['given_name', 'family_name']) nullable(defs, passenger, name)
  }
  // The Python client reads these keys of every passenger; without one, the list of passengers is empty there.
  nullable(defs, 'OfferRequestPassenger', 'age')
  nullable(defs, 'OfferRequestPassenger', 'type')
  required(defs, 'OfferRequestPassenger', 'age', 'type')
  // The Python client reads this key of the API's first version; without it, `offers` is empty there, with no error.
  add(defs, 'Offer', 'allowed_passenger_identity_document_types', { type: 'array', items: { type: 'string' } })
  required(defs, 'Offer', 'allowed_passenger_identity_document_types')
  // A search that named no cabin has none; the Python client reads the key.
  nullable(defs, 'OfferRequest', 'cabin_class')
  // Documented, not declared, and read by the Python client.
  add(defs, 'OfferRequest', 'client_key', { type: 'string' })
  required(defs, 'OfferRequest', 'client_key', 'cabin_class')
  // The declarations omit only the services from the offers of a search: the same corrections hold for them.
  property(defs, 'OfferRequest', 'offers').items = omit(defs.Offer, 'available_services')
}

function orders(defs) {
  // Documented and in real answers, not declared.
  add(defs, 'Order', 'type', { type: 'string', enum: ['instant', 'hold'] })
  add(defs, 'Order', 'offer_id', { type: 'string', pattern: '^off_.+' })
  // Documented as null when an airline gives no split of the price; the Python client reads the key.
  for (const name of ['base_amount', 'base_currency', 'tax_amount', 'tax_currency']) nullable(defs, 'Order', name)
  // Null in real answers of orders that have none.
  nullable(defs, 'Order', 'metadata')
  required(defs, 'Order', 'type', 'offer_id', 'tax_amount', 'documents', 'cancelled_at', 'cancellation')
  // Documented as present always, null when paid, cancelled or instant.
  for (const name of ['payment_required_by', 'price_guarantee_expires_at']) nullable(defs, 'OrderPaymentStatus', name)
  required(defs, 'OrderPaymentStatus', 'payment_required_by', 'price_guarantee_expires_at')
  // Documented as null where an airline does not say; declared so on offers, not on orders.
  for (const name of ['origin_terminal', 'destination_terminal', 'duration', 'distance', 'operating_carrier_flight_number', 'aircraft']) {
    nullable(defs, 'OrderSliceSegment', name)
  }
  // No seat chosen: null in real answers. The Python client reads `passenger_id`.
  nullable(defs, 'OrderSegmentPassenger', 'seat')
  required(defs, 'OrderSegmentPassenger', 'seat', 'passenger_id')
  // The Python client reads this key of the API's first version; without it, `slices` is empty there, with no error.
  add(defs, 'OrderSlice', 'changeable', { type: 'boolean' })
  required(defs, 'OrderSlice', 'changeable')
}

function cancellations(defs) {
  // Declared as text always, but a quote that is not confirmed has none: null in real answers.
  nullable(defs, 'OrderCancellation', 'confirmed_at')
  nullable(defs, 'OrderCancellationAirlineCredit', 'credit_code')
}

function payments(defs) {
  // The Python client reads it; not declared.
  add(defs, 'Payment', 'live_mode', { type: 'boolean' })
  required(defs, 'Payment', 'live_mode', 'currency')
}

function webhooks(defs) {
  // Declared as 200 always, but a receiver answers what it likes, or not at all.
  const delivery = 'WebhooksListDeliveriesResponse'
  defs[delivery].properties.response_status_code = { type: ['integer', 'null'] }
  nullable(defs, delivery, 'response_body')
}

// What a webhook is sent. Documented, declared nowhere: the library says that it gets a webhook here.
const event = {
  type: 'object',
  properties: {
    id: { type: 'string', pattern: '^wev_.+' },
    api_version: { type: 'string', const: 'v2' },
    type: { type: 'string', pattern: '^[a-z_]+\\.[a-z_]+$' },
    live_mode: { type: 'boolean' },
    created_at: { type: 'string' },
    idempotency_key: { type: 'string' },
    identity_organisation_id: { type: 'string' },
    data: { type: 'object', properties: { object: { type: 'object' } }, required: ['object'] },
  },
  required: ['id', 'api_version', 'type', 'live_mode', 'created_at', 'idempotency_key', 'identity_organisation_id', 'data'],
}

/** Without the named key, and not requiring it. */
function omit(definition, name) {
  const { [name]: _, ...properties } = definition.properties
  return { ...definition, properties, required: definition.required.filter((key) => key !== name) }
}

// A search that was told not to return offers has no such key, not an empty list.
function withoutOffers(definition) {
  const bare = omit(definition, 'offers')
  return { ...bare, properties: { ...bare.properties, offers: false } }
}

function property(defs, definition, name) {
  const found = defs[definition]?.properties?.[name]
  if (!found) throw new Error(`corrections.mjs: the library declares no ${definition}.${name} any more; look at the correction again`)
  return found
}

function nullable(defs, definition, name) {
  const found = property(defs, definition, name)
  defs[definition].properties[name] = found.type === 'string' && !found.enum ? { ...found, type: ['string', 'null'] } : { anyOf: [found, { type: 'null' }] }
}

function required(defs, definition, ...names) {
  for (const name of names) property(defs, definition, name)
  defs[definition].required = [...new Set([...defs[definition].required, ...names])]
}

function add(defs, definition, name, schema) {
  if (!defs[definition]) throw new Error(`corrections.mjs: the library declares no ${definition} any more; look at the correction again`)
  if (defs[definition].properties[name]) throw new Error(`corrections.mjs: the library declares ${definition}.${name} now; drop the correction`)
  defs[definition].properties[name] = schema
}
