"""Hours that can no longer be used because their price goes back, or is held by the payer's bank."""
