"""Verification: hold a report against artifacts, commit, ledger, and a new computation."""
