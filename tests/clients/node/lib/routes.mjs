// Every call that the clients make: what it answers when it succeeds.
const id = '[A-Za-z0-9_.~-]+'

// [method, path, status, shape, what `data` is]. `none`: 204 without a body.
const table = [
  ['GET', '/places/suggestions', 200, 'place', 'bare list'],
  ['GET', '/air/airports', 200, 'airport', 'list'],
  ['GET', '/air/airports/{id}', 200, 'airport', 'one'],
  ['GET', '/air/airlines', 200, 'airline', 'list'],
  ['GET', '/air/airlines/{id}', 200, 'airline', 'one'],
  ['GET', '/air/aircraft', 200, 'aircraft', 'list'],
  ['GET', '/air/aircraft/{id}', 200, 'aircraft', 'one'],
  ['POST', '/air/offer_requests', 201, searchShape, 'one'],
  // A request that was made without offers may be listed without; the declarations do not tell them apart.
  ['GET', '/air/offer_requests', 200, 'offerRequestMaybeOffers', 'list'],
  ['GET', '/air/offer_requests/{id}', 200, 'offerRequest', 'one'],
  ['GET', '/air/offers', 200, 'offer', 'list'],
  ['GET', '/air/offers/{id}', 200, 'offer', 'one'],
  ['POST', '/air/orders', 201, 'order', 'one'],
  ['GET', '/air/orders', 200, 'order', 'list'],
  ['GET', '/air/orders/{id}', 200, 'order', 'one'],
  ['PATCH', '/air/orders/{id}', 200, 'order', 'one'],
  // Nothing extra is sold here: the lists are empty, and hold whatever shape is declared.
  ['GET', '/air/seat_maps', 200, 'none', 'bare list'],
  ['GET', '/air/orders/{id}/available_services', 200, 'none', 'bare list'],
  ['GET', '/air/airline_initiated_changes', 200, 'airlineInitiatedChange', 'bare list'],
  ['POST', '/air/airline_initiated_changes/{id}/actions/accept', 200, 'airlineInitiatedChange', 'one'],
  ['POST', '/air/payments', 201, 'payment', 'one'],
  ['POST', '/air/order_cancellations', 201, 'orderCancellation', 'one'],
  ['GET', '/air/order_cancellations', 200, 'orderCancellation', 'list'],
  ['GET', '/air/order_cancellations/{id}', 200, 'orderCancellation', 'one'],
  ['POST', '/air/order_cancellations/{id}/actions/confirm', 200, 'orderCancellation', 'one'],
  ['GET', '/air/webhooks/deliveries', 200, 'webhookDelivery', 'list'],
  // The npm client's `webhooks.get` asks for an event.
  ['GET', '/air/webhooks/events/{id}', 200, 'webhookEvent', 'one'],
  // What a success answers is not documented; any is taken, and none of them needs a body.
  ['POST', '/air/webhooks/events/{id}/actions/redeliver', [200, 202, 204], null, 'any'],
  ['POST', '/air/webhooks', 201, 'webhookCreated', 'one'],
  ['GET', '/air/webhooks', 200, 'webhook', 'list'],
  ['PATCH', '/air/webhooks/{id}', 200, 'webhook', 'one'],
  ['DELETE', '/air/webhooks/{id}', 204, null, 'none'],
  ['POST', '/air/webhooks/{id}/actions/ping', 204, null, 'none'],
]

function searchShape(query) {
  return query.get('return_offers') === 'false' ? 'offerRequestWithoutOffers' : 'offerRequest'
}

const compiled = table.map(([method, path, status, shape, data]) => ({
  name: `${method} ${path}`,
  method,
  pattern: new RegExp(`^${path.replaceAll('{id}', id)}/?$`),
  statuses: [status].flat(),
  shapeFor: typeof shape === 'function' ? shape : () => shape,
  data,
}))

/** All calls, by name. */
export const calls = compiled.map((route) => route.name)

/** The call of a method and path, if there is one. */
export function routeOf(method, path) {
  return compiled.find((route) => route.method === method && route.pattern.test(path))
}
