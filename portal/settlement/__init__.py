"""Periods closed, statements made, contested, prepared, approved, and carried out.

Promises: every payable posting is on one statement, once; the preparer never approves, and an approval names the
content hash of what was shown; approved equals transferred plus retained plus invoiced plus held plus carried; what is
held or carried comes back as a line of a later statement.

``closing`` ends a period in short transactions that may be repeated; ``lines`` is the SQL that makes all its statements
in one pass, with the text their hashes cover. ``actions`` are the people's verbs, which the web may run under row
security; ``disposing`` is what follows from an approval and runs as a job, because it writes the ledger. ``origins``
opens a line down to the time entry that earned it, and back. ``books`` checks all of it.

Why a plan is stored with the preparation and compared again at the approval: a contest decided or a capability lost in
between changes what would happen, and nobody approves what was not shown. What the account loses after that is caught
when the transfer is performed: it waits, and no disposition changes.

Neighbours: billing makes the bills and invoices that a close asks for; payments performs the intents planned here and
posts the transfer when it has succeeded.
"""
