"""Organisations, sites, systems and who services what.

Promises: a service relationship never overlaps another for the same site and product line; a change of the
servicing integrator hands over technical history, never the old cases. Directory rows may change; every change is in
the audit log.

Neighbours: identity gives people to organisations; contracts and cases point here.
"""
