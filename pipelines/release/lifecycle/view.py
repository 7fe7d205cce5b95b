"""Where each product stands and what waits for a person, read from ledger and registry."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.errors import SignalboxError
from pipelines.release.approval import ApprovalParams
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.apply import problems
from pipelines.release.lifecycle.candidate import (
    last_entry,
)
from pipelines.release.lifecycle.consent import OUTCOME_KINDS, answer_entry
from pipelines.release.lifecycle.production import PRODUCTION, current_step
from pipelines.release.products import registered
from pipelines.release.registry.read import load_product


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LastRun(_Fact):
    """The newest run of a product that the gate judged.

    Attributes
    ----------
    run : str
        Name, ``<dag>/<run>``; empty outside Airflow.
    commit : str
        Full hash of the commit it was saved as.
    time : str
        When the gate's decision was logged, ISO 8601.
    verdict : str
        ``approve``, ``review`` or ``reject``.
    failed, inconclusive : list of str
        Ids of the checks that did not pass.
    """

    run: str
    commit: str
    time: str
    verdict: str
    failed: list[str] = Field(default_factory=list)
    inconclusive: list[str] = Field(default_factory=list)


class Standing(_Fact):
    """Where a product stands.

    Attributes
    ----------
    product, title : str
        Its name, and what readers call it.
    version : str
        In production, of the form v1.2.3; empty if nothing is.
    since : str
        When it was put there, ISO 8601; empty if nothing is.
    how : {'', 'release', 'rollback'}
        What put it there.
    commit : str
        Full hash of its commit; empty if nothing is in production.
    replaces : str
        Version that was there before; empty if there was none.
    last_run : LastRun or None
        The newest run that the gate judged; None if there was none.
    problems : list of str
        What registry, ledger and pointer don't agree on, one sentence each.
    """

    product: str
    title: str
    version: str = ""
    since: str = ""
    how: Literal["", "release", "rollback"] = ""
    commit: str = ""
    replaces: str = ""
    last_run: LastRun | None = None
    problems: list[str] = Field(default_factory=list)


def title_of(product: str) -> str:
    """Return what readers call a product; its name if it isn't registered."""
    known = registered().get(product)
    return product if known is None else known.title


def standing(project: Path, product: str) -> Standing:
    """Say where a product stands.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    Standing
        Where registry and ledger don't say the same, nothing is said to be in production, and
        `Standing.problems` says why.

    Raises
    ------
    SignalboxError
        If the ledger cannot be read, or ``release.yaml`` doesn't name the product.
    """
    load_product(project, product)
    entries = Ledger.of(project).history()
    wrong, now = problems(project, product), None
    try:
        now = current_step(project, entries, product, PRODUCTION)
    except SignalboxError as error:
        wrong = wrong or [str(error)]
    about: dict[str, Any] = {
        "product": product,
        "title": title_of(product),
        "last_run": _last_run(entries, product),
        "problems": wrong,
    }
    if now is None:
        return Standing(**about)
    entry, step = now
    return Standing(
        **about,
        version=step.version,
        since=entry.time,
        how="rollback" if entry.kind == "rollback" else "release",
        commit=step.commit,
        replaces=step.replaces or "",
    )


def _last_run(entries: list[Entry], product: str) -> LastRun | None:
    entry = last_entry(entries, {"gate"}, product)
    if entry is None:
        return None
    data = entry.data
    return LastRun(
        run=str(data.get("run") or ""),
        commit=str(data.get("commit") or ""),
        time=entry.time,
        verdict=str(data.get("verdict") or ""),
        failed=[str(name) for name in data.get("failed") or []],
        inconclusive=[str(name) for name in data.get("inconclusive") or []],
    )


class Waiting(_Fact):
    """A question that nobody has answered yet.

    Attributes
    ----------
    product : str
        Name of the product.
    asked : str
        ``approval``, ``override`` or ``confirmation``.
    dag, run_id : str
        DAG and run in Airflow that wait; empty where the ledger doesn't say.
    run : str
        The saved run, ``<dag>/<run>`` as under ``refs/runs``.
    commit : str
        Full hash of the commit that is asked about.
    verdict : str
        What the gate says of it.
    since, until : str
        When it was asked, and when the time to answer ends, ISO 8601.
    approvers : list of str
        Who may answer.
    entry : int
        Number of the ledger's entry.
    """

    product: str
    asked: str
    dag: str
    run_id: str
    run: str
    commit: str
    verdict: str
    since: str
    until: str
    approvers: list[str]
    entry: int


def waiting(project: Path, now: datetime) -> list[Waiting]:
    """List the questions that wait for an answer, the oldest first.

    A question is over when it was answered, asked again, or decided; when its run was refused; and
    when its time is over.

    Parameters
    ----------
    project : Path
        Root of the project.
    now : datetime
        With its time zone.

    Returns
    -------
    list of Waiting

    Raises
    ------
    SignalboxError
        If the ledger cannot be read.
    """
    entries = Ledger.of(project).entries()
    limit = timedelta(seconds=load_section(project, "approval", ApprovalParams).timeout_seconds)
    latest: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        run = (entry.subject, str(entry.data.get("run")))
        if entry.kind == "question":
            latest[(*run, str(entry.data.get("asked")))] = entry
        elif entry.kind in OUTCOME_KINDS | {"refusal"}:
            latest = {key: asked for key, asked in latest.items() if key[:2] != run}
    return [
        _waiting(entries, entry, until)
        for entry in latest.values()
        if answer_entry(entries, entry) is None
        and (until := datetime.fromisoformat(entry.time) + limit) > now
    ]


def _waiting(entries: list[Entry], question: Entry, until: datetime) -> Waiting:
    data = question.data
    saved = last_entry(entries, {"run"}, question.subject, run=str(data.get("run")))
    facts = {} if saved is None else saved.data
    return Waiting(
        product=question.subject,
        asked=str(data.get("asked")),
        dag=str(facts.get("dag") or ""),
        run_id=str(facts.get("run_id") or ""),
        run=str(data.get("run")),
        commit=str(data.get("commit")),
        verdict=str(data.get("verdict")),
        since=question.time,
        until=until.isoformat(timespec="seconds"),
        approvers=[str(name) for name in data.get("approvers") or []],
        entry=question.seq,
    )
