"""Bias audit: from counts of group, truth and decision to rates, disparities and their proof."""

from pipelines.mlops.fairness.audit import AuditConfig, audit
from pipelines.mlops.fairness.contingency import (
    DEFAULT_BIN_EDGES,
    SCORE_UNIT,
    ContingencyTable,
    build_table,
    merge_tables,
    table_from_counts,
)
from pipelines.mlops.fairness.groups import (
    UNKNOWN,
    FeatureSpec,
    GroupCodes,
    dimensions,
    encode_groups,
)
from pipelines.mlops.fairness.mitigation import Mitigation, MitigationConfig, mitigate
from pipelines.mlops.fairness.result import AuditResult

__all__ = [
    "DEFAULT_BIN_EDGES",
    "SCORE_UNIT",
    "UNKNOWN",
    "AuditConfig",
    "AuditResult",
    "ContingencyTable",
    "FeatureSpec",
    "GroupCodes",
    "Mitigation",
    "MitigationConfig",
    "audit",
    "build_table",
    "dimensions",
    "encode_groups",
    "merge_tables",
    "mitigate",
    "table_from_counts",
]
