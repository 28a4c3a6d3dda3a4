"""Policies and agreements: what everything costs and how it is shared, as signed data.

Promises: a version in force is named by its SHA-256 and never changes; no rate, window or share is in the code; a
document that contradicts itself is refused with line, key and what is allowed, both places named; unknown keys are
errors.

How it is laid out: ``blocks`` and ``terms`` are the tables, ``policy`` and ``agreement`` the documents; ``reading``
turns TOML or canonical JSON into one frozen value, ``toml_lines`` finds the lines, ``checks`` and its two neighbours
find contradictions, ``calendar_checks`` those of hours and bands, ``work_checks`` those of tables about work;
``calendar_blocks`` are the hours, with holidays that ``copying`` takes from a published list when a document is
proposed; ``conditions``, ``rates``, ``fees`` and ``packs`` are the tables about work; ``targets`` are the promises,
``promises`` says when they begin and are due, ``remedies`` what a broken one gives back, ``entry`` who is let in,
``lifecycle`` what time does, ``cover`` which plan covers which stretch; ``rules`` and ``prices`` read the first-match
tables, ``holdings`` and ``renewals`` what packs and lapsed plans come to, ``sharing`` divides an amount,
``differences`` says in sentences what a new version changes, ``language`` describes the language from its own words,
``style`` remarks on what could mislead.

Why one pydantic model for text, storage and use: three schemas would disagree one day, and the disagreement would be
money. Why TOML and not a form: two companies sign a text they can read, compare and keep. Why first match wins in every
table: an order is something a person can follow with a finger; a best fit is not.
"""
