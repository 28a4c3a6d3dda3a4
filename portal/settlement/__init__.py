"""Periods closed, statements made, contested, approved, and paid.

Promises: the preparer never approves; an approval names the content hash of what was shown; approved equals transferred
plus retained plus invoiced plus held plus carried.
"""
