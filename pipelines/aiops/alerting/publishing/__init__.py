"""Released rules in the files that Alertmanager and Prometheus read, and out of them again."""

from pipelines.aiops.alerting.publishing.harmful_rules import BadRule, find_bad
from pipelines.aiops.alerting.publishing.plan import PRODUCT, Plan, make_plan
from pipelines.aiops.alerting.publishing.publish import (
    Published,
    publish,
    publish_released,
    withdraw,
)
from pipelines.aiops.alerting.publishing.status import status

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
