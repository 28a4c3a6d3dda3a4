"""A change of plan that is charged at once is charged as its buyer saw it, or not at all.

Its job may run hours after the yes, while Stripe could not be reached or no worker ran. ``rules`` say how long figures
hold and what an old change still may do; ``looking`` asks Stripe again right before the charge.

A call that was made already is finished, never given up unseen: it is repeated under its key while the figures hold,
and later looked up at Stripe, where it is adopted if it was done. Why it is not simply repeated then: a request that
never arrived would charge hours later what nobody expects any more.

What was made for a change that failed is archived (``unused``).
"""
