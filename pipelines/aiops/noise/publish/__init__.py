"""Released rules in the files that Alertmanager and Prometheus read, and out of them again."""

from pipelines.aiops.noise.publish.plan import PRODUCT, Plan, make_plan
from pipelines.aiops.noise.publish.publish import Published, publish, publish_released, withdraw
from pipelines.aiops.noise.publish.status import status
from pipelines.aiops.noise.publish.watch import BadRule, find_bad

__all__ = [
    "PRODUCT",
    "BadRule",
    "Plan",
    "Published",
    "find_bad",
    "make_plan",
    "publish",
    "publish_released",
    "status",
    "withdraw",
]
