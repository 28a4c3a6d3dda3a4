"""Everything that talks to Stripe: intents, calls, the webhook inbox, connected accounts.

Promises: an intent row is committed before the call; its key is derived from its id; a lost answer, a crash or a
duplicate never moves money twice.
"""
