"""Rules from alert history: what is held back from pagers, and known fixes."""

from pipelines.aiops.alerting.mining.mine import mine_all

__all__ = ["mine_all"]
