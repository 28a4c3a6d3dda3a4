"""Double entry, one ledger per manufacturer and currency.

Promises: every journal transaction sums to zero per currency; nothing is posted into a closed period; a correction is a
reversal and a new transaction. The database refuses what breaks this, whoever asks.

Neighbours: billing, payments and settlement each post through ``ledger.actions.post`` with their own list of allowed
account pairs.
"""
