"""The command ``signalbox``."""

import sys


def start() -> None:
    """Run the command; a stage, which DVC starts once for each, loads nothing of the others."""
    if sys.argv[1:2] == ["stage"] and len(sys.argv) == 3 and not sys.argv[2].startswith("-"):
        from pathlib import Path

        from pipelines.project.lock import run_stage_of_lock

        run_stage_of_lock(sys.argv[2], Path())
        return
    from pipelines.cli.main import app

    app()
