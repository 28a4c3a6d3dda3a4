"""What was sold ahead and is not earned yet, month by month: the roll-forward of deferred revenue.

Promises: every figure is the sum of facts (a sale, a use, an earning, a reduction), each under the journal transaction
that moved it; what the facts say is held against what that transaction moved on the deferred accounts, and a difference
is a finding, never silently part of a figure; each currency stands for itself.

``rolling`` lays months out, pure; ``reading`` finds the facts.
"""
