"""The browser's side: one module per blueprint, named as its templates.

Promises: deny by default, anonymous views stand in one list; a view loads and authorises, parses, calls one action and
redirects.
"""
