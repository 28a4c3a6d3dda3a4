"""Pure decisions about tax."""
