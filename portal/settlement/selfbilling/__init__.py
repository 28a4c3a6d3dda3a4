"""The invoice behind a payment: issued by the payer for the party where both agreed to it, or the party's own.

Promises: a self-billed invoice exists only under an agreement that the party accepted by its text's hash and that is in
force on the day of issue; numbers of a series have no gap, because they are drawn in the transaction that keeps the
document; a document never changes; a negative one is a credit note that names what it corrects. Without an agreement a
statement is paid against the number of the party's own invoice.

``billing`` says what a statement is invoiced by, before anything happens; the plan that two people approve holds its
answer, so that nothing is issued that was not shown. ``issuing`` makes the document and its tax when the approval is
carried out. Tax is never part of a share: it has accounts of its own and goes with the money that is transferred.

Under reverse charge the document says in words that the customer accounts for the tax, and nothing is posted: no money
of it moves between the two, and what the customer owes and may deduct of it, at which rate and in which box of its
return, is its own books' affair and depends on what it uses the service for; two memo legs of equal size here would
claim a right to deduct that this ledger cannot know. Its accountant takes the nets by treatment from the documents.

A manufacturer that has not entered its finance details could not be named as customer: it pays as before, without
documents.
"""
