"""Supplements: money that moves beside the bill of work, each with its cause, who bears it and why.

Promises: one supplement per cause, posted by a job; its shares sum to what its debtor owes by it, so a credit names who
bears every cent; what is between the companies alone charges nobody. A supplement is taken back by its opposite.

Why beside the bill item and not inside it: a credit for a broken promise, a bonus or a warranty credit is no work of
the case; in its bill it would change prices that were accepted, limits that were authorized and shares that were earned
by working. On the invoice it is a line of its own.
"""
