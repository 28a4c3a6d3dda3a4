"""The log of administrative acts, insert-only.

Promises: every act that changes who may do what, and every directory change, leaves one row with actor and time in the
same transaction.
"""
