"""Event logs of other support systems, read by a mapping into cases, custody and time.

Promises: no case is half imported; a second run changes nothing; memory stays constant.
"""
