// The shapes that answers are held against: the declarations that the client library ships.
// Nothing of them is kept here; lib/schemas.mjs makes JSON Schemas of them at each run.
/// <reference types="@duffel/api" />
import type * as duffel from '@duffel/api/types'

export type Shapes = {
  place: duffel.Places
  airport: duffel.Airport
  airline: duffel.Airline
  aircraft: duffel.Aircraft
  offerRequest: duffel.OfferRequest
  offer: duffel.Offer
  order: duffel.Order
  airlineInitiatedChange: duffel.Order['airline_initiated_changes'][number]
  payment: duffel.Payment
  orderCancellation: duffel.OrderCancellation
  webhook: duffel.Webhooks
  webhookCreated: duffel.WebhooksCreateResponse
  webhookDelivery: duffel.WebhooksListDeliveriesResponse
  error: duffel.ApiResponseError
  errorMeta: duffel.ApiResponseMeta
}
