"""A separate program that speaks Stripe's HTTP API for development, demo and tests. No money moves."""
