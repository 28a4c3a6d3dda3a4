"""What costs its payer less since it was charged: kept here because its reasons are of capabilities above."""
