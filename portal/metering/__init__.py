"""Time worked on cases: timer, entries, corrections, approval; and parts that were fitted.

Promises: one running timer per person; no overlapping entries of one person; correction by reversal; approval by
somebody else, of a dear part too.
"""
