"""From a closed case to a bill item, its shares, invoice and cash.

Promises: every billing cut gets exactly one bill item; shares sum to it; every line keeps its explanation as data;
re-billing reverses and adds.
"""
