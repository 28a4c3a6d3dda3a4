"""Purchase orders: what a payer's paper promises to pay, up to its balance and until it expires.

Promises: an order authorizes cases to its balance and no further, whatever happens at once; each case's part is
reserved by its yes, drawn by its bill and given back when it closes for less. An order says what to do when it can give
no more.

Why an order's yes is an authorization like any other: coverage, billing and the case page know one kind of yes; the
order only stands behind it, and its number is printed wherever the yes is.
"""
