"""Intervals of work to lines of money: pure functions used by coverage and price, meter, preview, bill and what-if.

Promises: independent of entry order, never negative, exact (integer seconds, rational rates); each step is a value that
explains itself.
"""
