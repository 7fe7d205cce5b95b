"""A line in a run's note says what it released, or why it did nothing.

Airflow shows the note on every page of the run, and in the list of runs.

In Airflow 3.3 a task can't write its run's note: its API has no such call, and the public one needs
a login. So the task leaves the line as an XCom, and when the run ends, the scheduler puts it into
the note. Whoever may write that XCom may write the note as well; nothing is decided by either.

The scheduler and every task load this file: it imports nothing of pipelines.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pluggy import HookimplMarker

KEY = "signalbox_note"
OURS = "Signalbox: "
"""Beginning of our line: what people wrote in the note stays, and a run that is cleared and ends
otherwise gets another line."""
_LIMIT = 400
"""Characters."""
_NAMED = 5
"""Checks that are named before the rest is counted."""

hookimpl = HookimplMarker("airflow")
log = logging.getLogger(__name__)


def leave(context: Any, text: str) -> None:
    """Leave a line for the note of the task's run; a later task's line takes its place."""
    context["ti"].xcom_push(key=KEY, value=one_line(text))


@contextmanager
def ending_noted() -> Iterator[None]:
    """Leave the reason with which a task skips, or fails for good, for its run's note.

    Otherwise a run that did nothing looks like one that did: the reason is in one task's log alone.
    """
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    try:
        yield
    except AirflowSkipException as reason:
        leave(get_current_context(), f"nothing to do: {reason}")
        raise
    except AirflowFailException as reason:
        leave(get_current_context(), f"failed: {reason}")
        raise


def one_line(text: str) -> str:
    """Put a text on one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else f"{line[:_LIMIT]}…"


def rejected(decision: Any) -> str:
    """Say why the gate rejects: which checks failed.

    Parameters
    ----------
    decision : GateDecision
    """
    parts = []
    for verdict in ("fail", "inconclusive"):
        found = decision.named(verdict)
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            word = "failed" if verdict == "fail" else verdict
            parts.append(f"{len(found)} {word} ({', '.join(found[:_NAMED])}{more})")
    told = "; ".join(parts) or "no check speaks for it"
    return f"rejected by the gate: of {len(decision.checks)} checks {told}"


class RunNoteListener:
    """Puts the line that a run's tasks left into the run's note, when the run ends."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        """Write the note."""
        self._safely(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any) -> None:
        """Write the note."""
        self._safely(dag_run)

    def _safely(self, dag_run: Any) -> None:
        try:
            line = _left(dag_run)
            if line:
                dag_run.note = with_line(dag_run.note, line)
        except Exception:  # a listener that raises would disturb the scheduler
            log.exception("the run's note could not be written")


def with_line(note: str | None, line: str) -> str:
    """Return a note with our line in it, below what people wrote."""
    kept = [old for old in (note or "").splitlines() if not old.startswith(OURS)]
    return "\n".join([*kept, f"{OURS}{line}"]).strip()


def _left(dag_run: Any) -> str:
    """Return the last line that the run's tasks left; empty without one."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return ""
    wanted = (
        select(XComModel.value)
        .where(
            XComModel.dag_id == dag_run.dag_id,
            XComModel.run_id == dag_run.run_id,
            XComModel.key == KEY,
        )
        .order_by(XComModel.timestamp.desc())
        .limit(1)
    )
    with session.no_autoflush:
        value = session.scalar(wanted)
    return one_line(_text(value))


def _text(value: Any) -> str:
    """Return the text of an XCom, which may be stored as JSON of it."""
    try:
        found = json.loads(value)
    except (TypeError, ValueError):
        found = value
    return found if isinstance(found, str) else ""
