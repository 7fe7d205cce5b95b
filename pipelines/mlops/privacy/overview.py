"""Everything the compliance report says about personal data."""

from datetime import datetime
from pathlib import Path

from pipelines.base.evidence import Evidence
from pipelines.base.params import Params
from pipelines.mlops.privacy import article30, minimisation, retention
from pipelines.mlops.privacy.params import PrivacyParams
from pipelines.reports.compliance.gdpr import Privacy


def overview(
    project: Path,
    params: Params,
    own: PrivacyParams,
    evidence: dict[str, Evidence],
    now: datetime,
) -> Privacy:
    """Put record, minimisation and retention together.

    Parameters
    ----------
    now
        Time to count ages from; the report takes the ledger's last entry, so that it doesn't
        change with the clock.
    """
    idle, how, measured = minimisation.idle(evidence)
    return Privacy(
        record=article30.record(params, own, evidence),
        kept_too_long=retention.too_old(project, params.data, own, now),
        limits=sorted((str(store), days) for store, days in own.retention_days.items()),
        unlimited=retention.unlimited(project, params.data, own),
        idle=idle,
        measured=measured,
        how=how,
        special=article30.special_columns(params, own, evidence),
    )
