"""What was held: what of it is still there, and what has left with a transfer of its own."""
