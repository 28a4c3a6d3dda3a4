"""Reports over a month: who resolved what, time in custody, hand-overs, service levels, training, revenue.

Promises: read only, in a fixed number of statements whatever the month holds; every figure is counted from the same
select that lists the cases behind it, so a figure and its list cannot disagree; custody comes from the acceptances,
never from whom a case is with now; each report reads what the actor's scope allows, shares only for those who may see
them.

``facts`` says what each report counts, one row per happening; ``queries`` sums it up or lists the cases; ``rules`` says
who may see which report, and lays the sums out as a table and a chart.
"""
