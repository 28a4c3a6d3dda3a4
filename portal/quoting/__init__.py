"""What documents say about a case that need not exist: price, shares, deadlines, cover, hours left, with no database.

Promises: nothing is decided here; the engine that rates bills, the rules that set deadlines and the shares of the
signed documents answer, asked with facts from a file. Same documents and same case, same answer.

How it is laid out: ``case_input`` is the file's form; ``bill``, ``deadlines``, ``hours``, ``entry``, ``warranty``,
``lifecycle``, ``coverage`` each answer one part and return plain values; ``quote`` puts the parts together;
``printing`` says them in words; ``commands`` is the command line. A new part is a module with one function of
``(policy, agreement, case)`` and a line in ``quote.PARTS``.

Why a case in a file and not only in the database: a policy is written before there is a case, and a worked example that
anybody can repeat convinces both companies more than a page that says so.
"""
