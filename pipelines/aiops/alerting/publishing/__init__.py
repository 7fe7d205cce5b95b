"""Released rules in the files that Alertmanager and Prometheus read, and out of them again."""

from pipelines.aiops.alerting.publishing.harmful_rules import HarmfulRule, find_harmful_rules
from pipelines.aiops.alerting.publishing.plan import PRODUCT, Plan, make_plan
from pipelines.aiops.alerting.publishing.publish import (
    Published,
    judging_of,
    publish,
    publish_released,
    withdraw,
)
from pipelines.aiops.alerting.publishing.released import status

__all__ = [
    "PRODUCT",
    "HarmfulRule",
    "Plan",
    "Published",
    "find_harmful_rules",
    "judging_of",
    "make_plan",
    "publish",
    "publish_released",
    "status",
    "withdraw",
]
