"""Money as a state machine: what the portal's books say is what a small model of them says, after every step.

``reference`` is the model: plain whole numbers per account and party, with its own way of dividing. ``doing`` does the
same with the portal: real actions, jobs, PostgreSQL, and the stand-in for Stripe as a process of its own; ``process``
is its time, its crashes and its jobs. ``happening`` says what may happen when, and compares. ``test_money_machine``
lets chance choose what happens next; ``python -m tests.machine --runs N --steps M`` does so for as long as wanted and
reports how often each operation was carried out.

What it leaves out: plans and their monthly slices, incident packs, tax, several currencies, integrators that collect
themselves, challenges of a resolution, goodwill, credits of one line, purchase at checkout, reserves, work that a
month's end cuts in two, refunds and chargebacks of an invoice whose work was corrected, and two workers at once.
"""
