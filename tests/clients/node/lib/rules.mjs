// What must hold between the fields of one answer, beyond the shape of each.
import { show } from './schemas.mjs'

const cents = (text) => Math.round(Number(text) * 1000)

function collector(pointer) {
  const faults = []
  const must = (holds, at, expected, found) => {
    if (!holds) faults.push({ pointer: `${pointer}${at}`, expected: `${expected}; found ${show(found)}` })
  }
  return { faults, must }
}

function slicesFit(must, slices, passengerIds) {
  must(slices.length > 0, '/slices', 'at least one slice', slices)
  slices.forEach((slice, i) => {
    const segments = slice.segments
    must(segments.length > 0, `/slices/${i}/segments`, 'at least one segment', segments)
    if (segments.length === 0) return
    const [first, last] = [segments[0], segments[segments.length - 1]]
    must(slice.origin.type === slice.origin_type, `/slices/${i}/origin_type`, 'the type of the origin', slice.origin_type)
    must(slice.destination.type === slice.destination_type, `/slices/${i}/destination_type`, 'the type of the destination', slice.destination_type)
    if (slice.origin_type === 'airport') must(first.origin.id === slice.origin.id, `/slices/${i}/origin`, 'where the first segment departs', slice.origin.id)
    if (slice.destination_type === 'airport') must(last.destination.id === slice.destination.id, `/slices/${i}/destination`, 'where the last segment arrives', slice.destination.id)
    segments.forEach((segment, j) => {
      const ids = segment.passengers.map((p) => p.passenger_id).sort()
      must(ids.join() === [...passengerIds].sort().join(), `/slices/${i}/segments/${j}/passengers`, 'each passenger once', ids)
    })
  })
}

function offer(value, pointer) {
  const { faults, must } = collector(pointer)
  const pay = value.payment_requirements
  const due = [pay.payment_required_by, pay.price_guarantee_expires_at]
  if (pay.requires_instant_payment) must(due.every((d) => d === null), '/payment_requirements', 'no deadlines where payment is due at once', pay)
  else must(due[0] !== null, '/payment_requirements/payment_required_by', 'a deadline where a hold is allowed', due[0])
  if (value.tax_amount !== null && value.tax_currency === value.total_currency && value.base_currency === value.total_currency) {
    must(cents(value.base_amount) + cents(value.tax_amount) === cents(value.total_amount), '/total_amount', 'base and tax added', value.total_amount)
  }
  must(value.expires_at > value.created_at, '/expires_at', 'later than created_at', value.expires_at)
  slicesFit(must, value.slices, value.passengers.map((p) => p.id))
  return faults
}

// The documented states of an order, each known by what it says of payment and cancellation.
function order(value, pointer) {
  const { faults, must } = collector(pointer)
  const status = value.payment_status
  const actions = [...value.available_actions].sort().join()
  const cancelled = value.cancelled_at !== null
  must((value.cancellation !== null) === cancelled, '/cancellation', 'set if and only if the order is cancelled', value.cancellation)
  if (value.cancellation !== null) {
    must(value.cancellation.order_id === value.id, '/cancellation/order_id', 'the id of the order', value.cancellation.order_id)
    must(value.cancellation.confirmed_at !== null, '/cancellation/confirmed_at', 'an instant', value.cancellation.confirmed_at)
  }
  if (cancelled || status.paid_at !== null) {
    must(status.awaiting_payment === false, '/payment_status/awaiting_payment', 'false once paid or cancelled', status.awaiting_payment)
    must(status.payment_required_by === null, '/payment_status/payment_required_by', 'null once paid or cancelled', status.payment_required_by)
  }
  if (cancelled) must(actions === '', '/available_actions', 'none on a cancelled order', value.available_actions)
  else if (status.paid_at !== null) {
    must(value.documents.length > 0, '/documents', 'documents of a paid order', value.documents)
    must(/cancel.*update/.test(actions), '/available_actions', 'cancel and update', value.available_actions)
  } else if (status.awaiting_payment) {
    must(value.type === 'hold', '/type', 'hold while payment is awaited', value.type)
    must(status.payment_required_by !== null, '/payment_status/payment_required_by', 'a deadline while payment is awaited', status.payment_required_by)
    must(value.documents.length === 0, '/documents', 'none before payment', value.documents)
    must(actions === 'cancel,update', '/available_actions', 'cancel and update', value.available_actions)
  }
  const passengers = value.passengers.map((p) => p.id)
  value.documents.forEach((document, i) =>
    must(document.passenger_ids.length > 0 && document.passenger_ids.every((id) => passengers.includes(id)), `/documents/${i}/passenger_ids`, 'passengers of the order', document.passenger_ids),
  )
  slicesFit(must, value.slices, passengers)
  return faults
}

function orderCancellation(value, pointer) {
  const { faults, must } = collector(pointer)
  must((value.refund_amount === null) === (value.refund_currency === null), '/refund_currency', 'null if and only if the amount is', value.refund_currency)
  if (value.refund_to === 'awaiting_payment') must(Number(value.refund_amount) === 0, '/refund_amount', '0.00 for an order that was never paid', value.refund_amount)
  return faults
}

function offerRequest(value, pointer) {
  const { faults, must } = collector(pointer)
  const ids = value.passengers.map((p) => p.id).sort().join()
  for (const [i, item] of (value.offers ?? []).entries()) {
    must(item.passengers.map((p) => p.id).sort().join() === ids, `/offers/${i}/passengers`, 'the passengers of the search', item.passengers)
    faults.push(...offer(item, `${pointer}/offers/${i}`))
  }
  return faults
}

const rules = { offer, order, orderCancellation, offerRequest, offerRequestWithoutOffers: offerRequest, offerRequestMaybeOffers: offerRequest }

/** Faults `{pointer, expected}` of a value that has the shape named. */
export function checkRules(shape, value, pointer = '') {
  return rules[shape]?.(value, pointer) ?? []
}
