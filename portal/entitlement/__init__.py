"""What service the customer has bought: coverage decisions, hours left, authorizations.

Promises: a coverage decision is a pure function of recorded facts and signed documents and is kept with the case; hours
left never go below zero; nothing is billed without the payer's yes.
"""
