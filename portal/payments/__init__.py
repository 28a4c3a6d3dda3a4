"""Everything that talks to Stripe, and money that came in elsewhere: intents, calls, events, accounts, cash.

Promises: an intent row with its exact request is committed before the call, its key is made of its id, step and
generation; a lost answer, a crash, a duplicate or a second worker never moves money twice; cash is booked once per
charge, and outside Stripe only on two people's word.

``provider`` holds Stripe's answers in our words and ``gateway``, the only user of the stripe package, makes them.
``actions`` plans intents and takes events in; ``calls`` performs intents by way of ``steps`` (the calls themselves) and
``outcomes`` (what is written before and after them; ``transferring`` and ``refunding`` what is booked then);
``charging`` has a change of plan charged as it was shown or not at all; ``handling`` acts on events, polls, imports
Stripe's books and sweeps; ``cash`` records, confirms and books payments.

Why calls are apart from actions: a call must not hold a transaction open, and what it did must be known even when
nobody hears the answer. The key makes a repetition within a day the same request; after that only a look at Stripe by
the intent's id decides. A transfer that the balance or the account does not allow waits, the oldest first, under a new
generation, because Stripe keeps the refusal under the old key.

Amounts: Stripe takes those of three decimals (KWD, BHD) only in tens. An invoice asks the next amount that can be paid,
less than a step beyond what is owed, and posts the difference to Income:Rounding; what of a settled net is less than a
step is carried to the next statement; a refund or credit is asked for in such amounts, and a share that cannot be taken
back to the last unit is owed and netted. ``plan`` refuses what is left over, and currencies that Stripe counts in other
units (ISK, UGX, MGA). Of JPY and its like every whole unit can be paid.

Neighbours: billing and settlement stand above and plan invoices and transfers here; the invoice row is billing's, and
is read here by its intent. What an upper capability has to do about cash is a job by name.
"""
