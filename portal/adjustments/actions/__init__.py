"""The verbs of adjustments: people ask, decide and agree; jobs take shares, pay, give back and recover."""
