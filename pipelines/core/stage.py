"""What every stage's entry point does: load params, run, report errors, note run facts."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, overload

from pipelines.core.artifacts import RUN_FACTS
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_text
from pipelines.core.params import Params, load_params

EXIT_USER_ERROR = 2

Loaded = TypeVar("Loaded")


@overload
def run_stage(name: str, work: Callable[[Params], None]) -> None: ...


@overload
def run_stage(name: str, work: Callable[[Loaded], None], load: Callable[[], Loaded]) -> None: ...


def run_stage(
    name: str, work: Callable[[Any], None], load: Callable[[], Any] = load_params
) -> None:
    """Run a stage as the program DVC started.

    Parameters
    ----------
    name : str
        The stage's name in ``dvc.yaml``.
    work : Callable[[Any], None]
        The stage: reads its inputs, writes its outs.
    load : Callable[[], Any], default `load_params`
        What loads its parameters; its errors are reported like those of the work.

    Raises
    ------
    SystemExit
        With code 2, after a `SignalboxError`.

    Notes
    -----
    A `SignalboxError` ends the process with exit code 2 and one line on stderr; every other
    exception is a defect and keeps its traceback. Time, host and versions go to ``run_facts/``,
    which neither git nor DVC tracks, so that outs depend on inputs alone.
    """
    _forget_local_time()
    started = datetime.now(UTC)
    clock = time.perf_counter()
    try:
        work(load())
    except SignalboxError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        raise SystemExit(EXIT_USER_ERROR) from None
    facts = {
        "stage": name,
        "started": started.isoformat(),
        "seconds": round(time.perf_counter() - clock, 3),
        "host": platform.node(),
        "python": platform.python_version(),
        "pid": os.getpid(),
    }
    write_text(RUN_FACTS / f"{name}.json", json.dumps(facts, indent=2) + "\n")


def _forget_local_time() -> None:
    """Make UTC the local time: libraries that print local time must not change an out."""
    os.environ["TZ"] = "UTC"
    time.tzset()


def log(text: str) -> None:
    """Print one fact on one line.

    Stages are read in logs, so there is nothing fancier here.

    Parameters
    ----------
    text : str
        The line.
    """
    print(text, flush=True)
