"""Candidate rules from alert history, one module a family."""

from pipelines.aiops.alerting.mining.mine import mine, mine_all
from pipelines.aiops.alerting.mining.patterns import Pattern, Patterns

__all__ = ["Pattern", "Patterns", "mine", "mine_all"]
