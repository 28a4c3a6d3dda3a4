"""Read-only summaries: who resolved what, time in custody, service levels kept, training gaps."""
