"""Factoryline: support that two companies give one customer.

A manufacturer makes the system, an integrator installs and services it. One record of a case is shared by both; one
deterministic decision says what service the customer has bought; a meter on factory time never bills without
authorization; signed documents say what everything costs and how it is shared; a settlement follows each cent back
to the minute that earned it.

The money path, one verb a module:

    cases.actions        escalate, accept custody, hand back, resolve, confirm or challenge, close
    metering.actions     start and stop the timer, enter, correct and approve time
    rating               intervals of work to lines of money, pure
    entitlement          coverage and price before the act; authorizations; hours left
    billing.actions      cut, bill item, shares; invoices; cash applied to shares
    selling.actions      offer, order, sell what was paid at checkout or by subscription
    ledger.actions       post, reverse, close the period
    adjustments.actions  refund, credit, adjust; hold and take shares of a chargeback, recover what was paid out
    settlement.actions   statements, contest, prepare, approve; transfer, retain, carry; issue the party's invoice
    taxes                who a company is for tax, and how its supply is taxed
    quoting              the same answers for a case in a file, without a database
    payments.calls       perform one committed intent at Stripe, exactly once

Direction, high to low; a step imports only steps below it, names joined by ``|`` never import each other:

    cli > app > web > worker > demo > importing > quoting | reporting | notifications | whatif > settlement > selling >
    adjustments > billing > payments > metering > cases > entitlement > rating > contracts > taxes > identity >
    directory | ledger > audit | jobs > backup > embedded | files > rows > sql > db | config | logs | serving >
    access | money | calendars > zones | closures > errors | lazily | collecting

``standin`` is another program (it speaks Stripe's HTTP API): it imports nothing of these and nothing imports it.
Inside a capability: actions > queries > models > rules. Rules are pure: facts and now in, values out.
"""
