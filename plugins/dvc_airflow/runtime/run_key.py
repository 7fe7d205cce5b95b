"""Names of a run that are safe as a directory and as a git ref."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUNS: Final = "refs/runs"
FAILED: Final = "refs/failed-runs"
OPEN: Final = "refs/open-runs"
# "manual__2026-01-31T10:20:30.123456+00:00", with or without Airflow's random tail.
_ID: Final = r"[a-z_]+__\d{{4}}-\d\d-\d\dT\d\d{0}\d\d{0}\d\d(\.\d+)?([+-]\d\d{0}\d\d|Z)?(_\w+)?"
_AIRFLOW_ID: Final = re.compile(_ID.format(":"), re.ASCII)
_NAME_OF_ONE: Final = re.compile(_ID.format(r"\."), re.ASCII)
_LIMIT: Final = 120


def safe_name(text: str) -> str:
    """Return a file and ref name for a text; different texts get different names.

    Whoever may start a run chooses its id. So no id may be another one's name: a name with a hash
    in it has an "=", which no id keeps, and an id that is spelled as the name of one of Airflow's
    own gets a hash too.
    """
    if _AIRFLOW_ID.fullmatch(text):
        return text.replace(":", ".")
    safe = re.sub(r"[^A-Za-z0-9_.+-]|\.(?=\.)|\.$|^[.-]|\.lock$", "-", text)[:_LIMIT]
    if safe == text and not _NAME_OF_ONE.fullmatch(text):
        return safe
    return f"{safe}={hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class RunKey:
    """Which run of which DAG (and which group in it, if there are several)."""

    dag_id: str
    run_id: str
    group: str | None = None

    @property
    def name(self) -> str:
        """The run's name, below its DAG's."""
        base = safe_name(self.run_id)
        return f"{base}.{safe_name(self.group)}" if self.group else base

    def ref(self, kind: str = RUNS) -> str:
        """Return the git ref that holds the run."""
        return f"{kind}/{safe_name(self.dag_id)}/{self.name}"

    def folder(self, workspaces: Path) -> Path:
        """Return the directory of all workspaces of this DAG."""
        return workspaces / safe_name(self.dag_id)

    def workspace(self, workspaces: Path) -> Path:
        """Return the git clone that the run works in."""
        return self.folder(workspaces) / self.name
