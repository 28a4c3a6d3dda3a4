"""What may happen, one module per part of the work: how chance chooses it, and what it is in portal and reference."""
