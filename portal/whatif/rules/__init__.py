"""Pure rules of what-if: two outcomes of a case, their sums, and what is odd about a draft."""
