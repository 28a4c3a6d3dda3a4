"""Each operation by the portal's real actions and jobs, one module per part of the work."""
