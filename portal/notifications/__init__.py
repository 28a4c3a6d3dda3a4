"""Mail: one delivery row per recipient, sent by job.

Promises: a renderer receives an already scoped list; a link in a mail shows on GET and acts on POST only.
"""
