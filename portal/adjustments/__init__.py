"""Money that payers get back or need not pay: refunds, credits, adjustments with a bearer, and chargebacks.

Promises: nobody gives back more than was paid or is owed; each party loses exactly its part, by the weights its share
was made with, so that any row of partial refunds ends where a full one does; what the manufacturer gives up by itself
never lowers an integrator's share without its yes; a step that was done is never done twice, and a page says what is
waiting for whom.

``rules`` decide: ``sharing`` who loses what, ``saga`` what an adjustment does next, ``asking`` who may ask for how
much and whose yes it needs, ``unused`` what of a payment ahead nobody has used, ``recovering`` what a party still owes.
``lines`` are what an amount is taken off; ``dividing`` finds them for invoices, ``ahead`` for payments at checkout,
which has none. ``actions`` are the verbs: ``asking`` for people (``checking`` says what may be), ``adopting`` for what
was made at Stripe itself, ``returning`` for plans that were ended at once, ``writing_off`` for what will not come back,
``carrying_out``, ``taking`` and ``recovering`` for jobs, ``chargebacks`` and ``evidence`` for what the payer's bank
does. ``queries`` and ``books`` read.

Why a saga of rows: taking shares back, moving money at Stripe and posting are separate steps of which each can fail or
be interrupted. What was done is in the rows of each step, so that going on means looking at them, never remembering.

Why a claw-back does not wait: a transfer that cannot be reversed now is owed by its party instead, and netted from its
next statements, the oldest first; the payer does not wait for it.

Neighbours: payments makes the calls to Stripe and books what moved there; billing keeps what a line costs less and
makes shares payable; settlement nets what is owed and prints it on statements.
"""
