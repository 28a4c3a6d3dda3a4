"""Intervals of work to lines of money: pure functions used by coverage and price, meter, preview, bill and what-if.

Promises: independent of entry order, never negative, exact (integer seconds, rational rates); each step is a value that
explains itself; what is stored of an explanation is enough to come to the same lines again.

How it goes: ``policies.compile_tariff`` turns a signed policy into plain tables, a row when work first asks for it;
``engine.rate`` cuts a case's work at every border that matters and says what each slice is, ``charges`` which fees it
brings; ``pricing.price`` counts, draws hours left, prices and stops at the authorized sum. Where a price has more than
its rate, ``limits`` cuts time at the most and at other prices, and ``charging`` gives every part and fee its whole
minor units; without, a shorter way comes to the same. The second half reads nothing but its basis, which is why
``explanation.replay`` can repeat it years later without policy or calendar. ``preview`` asks the same function with
supposed work, so the price shown is the price billed.

Why rows and slices are named tuples of integers: a million entries are rated in well under a minute on one core,
without a second, faster engine for reports that could disagree with the bills.
"""
