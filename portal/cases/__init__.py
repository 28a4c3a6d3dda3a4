"""One record of a case, shared by two companies and their customer.

Promises: exactly one company holds custody at each instant; every transition is an event written in its transaction; a
stale form changes nothing and says what happened since.
"""
