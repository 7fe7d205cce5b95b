"""Where each artifact lies: the one list of paths in Python.

``dvc.yaml`` must name the same paths for DVC; a test holds the two equal. All paths are relative to
the root of the project (or of a run's workspace), where DVC starts every stage.
"""

from pathlib import Path

INGESTED = Path("data/ingested.parquet")
VALIDATED = Path("data/validated.parquet")
QUARANTINE = Path("quarantine/rows.parquet")
DATA_DOCS = Path("reports/data_docs")

TRAIN = Path("data/split/train.parquet")
VALIDATION = Path("data/split/validation.parquet")
TEST = Path("data/split/test.parquet")

MODEL = Path("models/model.skops")
MODEL_INFO = Path("models/model.json")

PLOTS = Path("plots")
DRIFT_HTML = Path("reports/drift.html")

EVIDENCE = Path("evidence")
METRICS = Path("metrics")
RELEASED = Path("released/model_release.json")

REPORT_HTML = Path("reports/model_release.html")
REPORT_JSON = Path("reports/model_release.json")
MODEL_CARD = Path("reports/model_card.md")

EXPECTATIONS = Path("expectations")
PARAMS = Path("params.yaml")

RUN_FACTS = Path("run_facts")
"""Times, host, versions: facts of a run, untracked, never part of an out."""


def evidence_of(stage: str) -> Path:
    """Return the path of a stage's evidence file.

    Parameters
    ----------
    stage : str
        The stage's name in ``dvc.yaml``.

    Returns
    -------
    Path
        Path relative to the project's root.
    """
    return EVIDENCE / f"{stage}.json"


def metrics_of(stage: str) -> Path:
    """Return the path of a stage's DVC metrics file.

    Parameters
    ----------
    stage : str
        The stage's name in ``dvc.yaml``.

    Returns
    -------
    Path
        Path relative to the project's root.
    """
    return METRICS / f"{stage}.json"
