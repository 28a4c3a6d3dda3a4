"""What leaving a plan within its minimum term owes, once it is invoiced: its shares are payable as its cash comes in.

Promises: nobody is paid out of an invoice that its customer has not paid; what is payable of the shares is what is paid
of their line, part by part, and all of it once all is paid; what goes back is taken from who has it.

``models`` is what each receipt made payable, ``paying`` computes it beside the shares of work and the commissions of
packs. A package of its own beside the months of plans, which are payable when they are over, paid or not.
"""
