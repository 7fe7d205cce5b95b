"""Proof: hold a report against the artifacts, the commit, the ledger, and a new computation."""
