"""What a past period would have cost and earned under other documents than the signed ones.

Promises: the draft is rated by the engine that rates bills and shared by the rules that share them, from the facts that
the bills were made of; where the draft says what the signed documents say, the sums are those of the bill items, to the
cent. Nothing is posted and nobody is billed.

How it is laid out: ``rules`` compare one case, add cases up and find what is odd, without reading anything;
``reading`` says what the bill items say and what the draft makes of the same cases; ``running`` goes through the cases
in batches, each compared by ``batching``, those of a long period by the processes of ``spreading``; ``actions`` and
``queries`` keep what was asked and what came out; ``discounts`` share anew what promotion codes lowered, ``remaining``
says what nobody recomputes; ``printing`` and ``commands`` are the command line.

What stays as it was: the work, who held the case, what payers said yes to up to which sum, the hours that were drawn
and what their packs cost, how much the partnership had earned in the months before. A price that a payer had accepted
is the draft's price for the same work, because that is what would have been shown.

Why every case again and not a sample, and why no figures are kept per case: a document is signed for its rare cases
too, and a result that grows with the log would not be read. Why a draft's yes to volume tiers is probed beside the
log: the log holds only what was done under the prices of its time.
"""
