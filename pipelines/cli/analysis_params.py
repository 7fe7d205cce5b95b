"""Parameters of the analysis for commands, which may run anywhere."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.aiops.params import AiopsParams


def analysis_params(project: Path) -> "AiopsParams":
    """Section ``aiops`` with folders that don't depend on where a command runs."""
    from pipelines.aiops.params import load_aiops_params

    params = load_aiops_params(project)
    folders = {name: str(project / getattr(params.analysis, name))
               for name in ("lake", "results", "state")}  # fmt: skip
    return params.model_copy(update={"analysis": params.analysis.model_copy(update=folders)})
