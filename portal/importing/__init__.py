"""Event logs of other support systems, read by a mapping into cases, custody and time.

Promises: no case is half imported; a run that is killed goes on where it stood and ends with the same rows; a run that
is done changes nothing; memory stays that of a batch; every row that is not imported is listed with its reason.

Why two readings of the file: who worked when on one case cuts the work on another, and rows of a case that lie apart
show only at their second place. So the first reading (`staging`) checks every case and keeps its work aside, one
statement cuts the overlaps of all workers, and the second reading (`storing`) stores whole cases, a batch to a
transaction. All facts of a run are recorded as of its beginning, so that a run that was interrupted differs in nothing.

Neighbours: `rules` decides what rows mean, by the transition rules of cases; `mapping` is the document, read like a
policy; `setting` makes companies, documents, plans and systems by their capabilities' verbs; rows go in by each
capability's own module `importing`. The mapping of a public log lies in `mappings`, without a row of the log.
"""
