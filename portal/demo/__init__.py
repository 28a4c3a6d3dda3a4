"""A believable deployment from a seed."""
