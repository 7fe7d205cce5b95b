"""Compliance report: requirement → evidence → status, computed from artifacts."""
