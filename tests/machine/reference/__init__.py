"""The reference: what the accounts hold after each operation, in whole cents, by rules written down a second time.

Debits are positive. Parties are "factory" (manufacturer and operator in one), "integrator" and "customer". Nothing of
the portal is imported: dividing is done here by its own small implementations.
"""
