"""Who reads what is written on a case, and to whom each side can write.

The integrator reads everything said to its customer; prices and shares have rules of their own.
"""

from __future__ import annotations

from portal.access import Audience, Side

_WRITES = {
    Side.MANUFACTURER: (Audience.COMPANIES, Audience.CUSTOMER, Audience.OWN),
    Side.INTEGRATOR: (Audience.COMPANIES, Audience.CUSTOMER, Audience.OWN),
    Side.CUSTOMER: (Audience.CUSTOMER, Audience.OWN),
}


def may_read(audience: Audience, *, owner: Side, reader: Side) -> bool:
    """Whether a party on side ``reader`` reads what a party on side ``owner`` wrote to ``audience``."""
    if reader == owner or audience == Audience.CUSTOMER:
        return True
    return audience == Audience.COMPANIES and reader != Side.CUSTOMER


def audiences_for(side: Side) -> tuple[Audience, ...]:
    """To whom a side can write, the usual one first."""
    return _WRITES[side]
