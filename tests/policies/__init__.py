"""Published policies as documents, and worked examples of them run through the quote.

``<policy>.toml`` is a policy in the portal's own language; ``<policy>[.something].examples.toml`` are examples restated
as cases, each with what must come out. An example names another document of the folder where a policy was published in
several versions. Facts are the vendors'; words, and the prices that a vendor does not publish, are ours and marked so.
"""
