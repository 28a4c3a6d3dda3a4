"""Packs in money: sold at once, earned as their minutes or incidents are used, and the rest when they expire.

Promises: the price of a pack is a debt to its customer until it is earned; what stands as earned never exceeds it, and
when nothing of the pack is left it is all earned, to the minor unit; tax is never part of it. ``selling`` records the
sale, ``using`` what a bill item earns, ``expiring`` what is left; ``reading`` is what pages read.
"""
