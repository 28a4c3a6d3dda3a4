"""Policies and agreements: what everything costs and how it is shared, as signed data.

Promises: a version in force is named by its SHA-256 and never changes; no rate, window or share is in the code.
"""
