"""A separate program that speaks Stripe's HTTP API, for development, demo and tests. No money moves.

Promises: the ``stripe`` package's StripeClient, with all its base addresses pointed here, cannot tell it from Stripe
for the calls in the ENDPOINTS tables of these modules; what is not modelled is refused, never silently ignored.
Parameters are checked, idempotency keys behave as documented, transfers need available balance and an active
capability, signed events are delivered until they are accepted, and all state survives a restart in one SQLite file.

Neighbours: none. It imports nothing of the portal and the portal never imports it; they meet over HTTP only.

Why: nothing obtainable simulates Connect, and what matters for money is what happens when an answer is lost. So beside
Stripe's API there is a control API (``/_control``) that injects faults, holds and repeats deliveries, and plays the
people at Stripe's hosted pages. It is written from Stripe's documentation and the types of its Python package, API
version 2026-10-28.endive; it has not been compared with Stripe itself, call by call.

A request goes: server > api (match, authenticate, faults, idempotency) > parameters > a handler of accounts, customers,
catalogue, promotions, invoice_lines, invoices, invoice_items, credit_notes, payments, refunds, disputes, fraud,
uploads, checkout, subscriptions, portal_sessions, transfers, exchange, balance or events > objects > state. What was
due by then happens first: passing.
"""
