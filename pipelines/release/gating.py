"""The gate: evidence is held against the release policy, check by check.

Nothing here knows what is being released; a model and a set of alert rules are judged alike.

Evidence ``evidence/gate.json``. `figures` counts the verdicts (``gate.passed``, ``gate.failed``,
``gate.inconclusive``, ``gate.not_applicable``). `details`:

``decision``
    ``approve``, ``review`` or ``reject``.
``because``
    Ids of the checks that ask for this decision (none for ``approve``).
``policy``
    The checks as they stand in ``params.yaml``.
``checks``
    One entry a check, in the policy's order: ``id``, ``verdict``, ``asks_for`` (the decision it
    alone would lead to), ``sentence``, ``figure`` (as in the evidence, or null) and ``evidence``
    (``path`` and ``sha256`` of the file it came from; null hash where the file is missing).

``metrics/gate.json`` is ``{"verdict": …, "checks": {id: verdict}, "counts": {verdict: n}}``.

A rejection is a result, not an error: the stage ends normally and whoever comes next reads it.

Another product's gate is a stage of its own that calls `run_gate`; its files are named like it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import (
    LEFT_OUT,
    Evidence,
    Figure,
    hash_inputs,
    own_stages,
    read_evidence,
    write_evidence,
)
from pipelines.core.files import write_json
from pipelines.core.params import Check
from pipelines.core.stage import log
from pipelines.release.released import NOTHING_RELEASED

Verdict = Literal["pass", "fail", "inconclusive", "not_applicable"]
Decision = Literal["approve", "review", "reject"]

VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "inconclusive", "not_applicable")
"""Every verdict a check can get."""

_SEVERITY: dict[Decision, int] = {"approve": 0, "review": 1, "reject": 2}


@dataclass(frozen=True)
class Bounds:
    """The range a figure is judged by; a figure without an interval is a range of one point.

    Attributes
    ----------
    low : float
        Lower end, in the figure's unit; -inf where the interval has none.
    high : float
        Upper end, in the figure's unit; inf where the interval has none.
    is_point : bool
        Whether the figure has no interval.
    """

    low: float
    high: float
    is_point: bool


def has_value(figure: Figure | None) -> bool:
    """Return whether a figure says anything: a finite value, on at least one row.

    Parameters
    ----------
    figure : Figure or None
        A figure of the evidence; None = not measured.

    Returns
    -------
    bool
    """
    return figure is not None and defect(figure) == ""


def defect(figure: Figure) -> str:
    """Return what keeps `figure` from being evidence; empty if nothing does.

    Parameters
    ----------
    figure : Figure
        A figure of the evidence.

    Returns
    -------
    str
        The reason, in words.
    """
    if figure.value is None:
        return figure.missing or "the evidence holds no value and gives no reason"
    given = [x for x in (figure.value, figure.low, figure.high) if x is not None]
    if not all(math.isfinite(x) for x in given):
        return "the value or its interval is not a finite number"
    if figure.n < 1:
        return f"it was computed on {figure.n} rows"
    if figure.low is not None and figure.high is not None and figure.low > figure.high:
        return "its interval ends before it starts"
    return ""


def bounds(figure: Figure) -> Bounds:
    """Return the range of a figure that `has_value`.

    A missing side of a one-sided interval is unbounded.

    Parameters
    ----------
    figure : Figure
        A figure with a value.

    Returns
    -------
    Bounds
    """
    assert figure.value is not None
    if figure.low is None and figure.high is None:
        return Bounds(figure.value, figure.value, is_point=True)
    low = -math.inf if figure.low is None else figure.low
    high = math.inf if figure.high is None else figure.high
    return Bounds(low, high, is_point=False)


def judge(check: Check, figure: Figure | None) -> Verdict:
    """Return the verdict of one check.

    Parameters
    ----------
    check : Check
        What the policy asks for.
    figure : Figure or None
        What the evidence says, or None if it says nothing.

    Returns
    -------
    {'pass', 'fail', 'inconclusive', 'not_applicable'}
        ``pass`` if the whole interval keeps to the threshold, ``fail`` if none of it does or if
        there is no evidence, ``inconclusive`` if the interval straddles the threshold,
        ``not_applicable`` if the evidence says there is nothing released to compare with.
    """
    if figure is None:
        return "fail"
    if nothing_to_compare(check, figure):
        return "not_applicable"
    if not has_value(figure):
        return "fail"
    seen = bounds(figure)
    if check.compare == "at_least":
        return _side(all_keep=seen.low >= check.threshold, none_keeps=seen.high < check.threshold)
    # A difference to the released model counts what was lost, so it has an upper limit as well.
    return _side(all_keep=seen.high <= check.threshold, none_keeps=seen.low > check.threshold)


def _side(*, all_keep: bool, none_keeps: bool) -> Verdict:
    if all_keep:
        return "pass"
    return "fail" if none_keeps else "inconclusive"


def nothing_to_compare(check: Check, figure: Figure) -> bool:
    """Return whether the evidence itself says that there is no released model to compare with.

    These words excuse a missing value, and only where the released model is asked for; the gate
    never finds out by itself that there is nothing to compare with.

    Parameters
    ----------
    check : Check
        What the policy asks for.
    figure : Figure
        What the evidence says.

    Returns
    -------
    bool
    """
    return (
        check.compare == "not_worse_than_released"
        and figure.value is None
        and figure.missing == NOTHING_RELEASED
    )


def consequence(check: Check, verdict: Verdict) -> Decision:
    """Return the decision that one check's verdict asks for.

    Parameters
    ----------
    check : Check
        The check, with what follows from its verdicts.
    verdict : {'pass', 'fail', 'inconclusive', 'not_applicable'}
        Its verdict.

    Returns
    -------
    {'approve', 'review', 'reject'}
    """
    if verdict == "fail":
        return check.on_fail
    if verdict == "inconclusive":
        return check.on_inconclusive
    return "approve"


def decide(checks: Iterable[tuple[Check, Verdict]]) -> Decision:
    """Return the decision of all checks together: the worst that any of them asks for.

    Parameters
    ----------
    checks : iterable of tuple of (Check, str)
        Each check with its verdict.

    Returns
    -------
    {'approve', 'review', 'reject'}
        ``review`` where there is no check.

    Notes
    -----
    Where nothing failed but nothing passed either (a first release whose policy only compares with
    the released one), a person has to look: approval needs something that speaks for it.
    """
    pairs = list(checks)
    asked = [consequence(check, verdict) for check, verdict in pairs]
    worst: Decision = max(asked, key=lambda decision: _SEVERITY[decision], default="review")
    if worst == "approve" and all(verdict != "pass" for _, verdict in pairs):
        return "review"
    return worst


_LIMITS = {
    "at_least": "the required minimum of",
    "at_most": "the allowed maximum of",
    "not_worse_than_released": "the largest accepted loss of",
}


def sentence(check: Check, figure: Figure | None, verdict: Verdict) -> str:
    """Explain a verdict to someone who doesn't know the policy.

    Parameters
    ----------
    check : Check
        What the policy asks for.
    figure : Figure or None
        What the evidence says; None = not measured.
    verdict : {'pass', 'fail', 'inconclusive', 'not_applicable'}
        The check's verdict.

    Returns
    -------
    str
        One to three sentences; the last names the groups that took no part, and why.
    """
    if figure is None:
        return f"There is no evidence: no stage measured {check.figure}. No evidence is a fail."
    if verdict == "not_applicable":
        return f"{figure.label}: not compared, because {figure.missing}."
    why = defect(figure)
    if why:
        return f"There is no evidence for {figure.label}: {why}. No evidence is a fail."
    left_out = figure.where.get(LEFT_OUT)
    named = f" Left out of it: {left_out}." if left_out else ""
    return f"{_measured(figure)}; {_held_against(check, figure, verdict)}.{named}"


def number(value: float, unit: str = "") -> str:
    """Write a number with four significant digits, more than any figure of a release is worth.

    Parameters
    ----------
    value : float
        The number.
    unit : str, default ''
        The figure's unit; ``share`` is written in percent.

    Returns
    -------
    str
    """
    if unit == "share":
        return f"{value * 100:.4g}%"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _measured(figure: Figure) -> str:
    assert figure.value is not None
    context_items = sorted(figure.where.items(), reverse=True)  # "lowest" before "highest"
    context = ", ".join(
        f"{key}: {value}"
        for key, value in context_items
        if key != LEFT_OUT and value not in figure.label
    )
    at = f" ({context})" if context else ""
    return f"{figure.label}{at} is {number(figure.value, figure.unit)}{_interval(figure)}"


def _interval(figure: Figure) -> str:
    level = "" if figure.level is None else f"{figure.level:.0%} "
    low = "" if figure.low is None else number(figure.low, figure.unit)
    high = "" if figure.high is None else number(figure.high, figure.unit)
    if low and high:
        return f" ({level}interval {low} to {high})"
    if low:
        return f" ({level}lower bound {low})"
    if high:
        return f" ({level}upper bound {high})"
    return ""


def _held_against(check: Check, figure: Figure, verdict: Verdict) -> str:
    limit = f"{_LIMITS[check.compare]} {number(check.threshold, figure.unit)}"
    if bounds(figure).is_point:
        does = "keeps to" if verdict == "pass" else "misses"
        return f"it has no interval and is compared as a single number, which {does} {limit}"
    if verdict == "inconclusive":
        return f"the interval straddles {limit}, so these data cannot tell"
    does = "keeps to" if verdict == "pass" else "misses"
    return f"the whole interval {does} {limit}"


STAGE = "gate"
POLICY_KEY = "gate.checks"
"""Where the model's policy stands in ``params.yaml``."""

MODEL_STAGES = ("ingest", "validate", "split", "train", "evaluate", "bias_audit", "drift")
"""Stages whose evidence a model's release is judged by; ``dvc.yaml`` has the same list."""


@dataclass(frozen=True)
class Judged:
    """One check, what the evidence says to it, and the verdict.

    Attributes
    ----------
    check : Check
        What the policy asks for.
    figure : Figure or None
        What the evidence says; None = not measured.
    path : str
        Evidence file that the figure came from.
    sha256 : str or None
        Its hash, 64 hex digits; None where the file is missing.
    verdict : {'pass', 'fail', 'inconclusive', 'not_applicable'}
        The check's verdict.
    """

    check: Check
    figure: Figure | None
    path: str
    sha256: str | None
    verdict: Verdict

    @property
    def asks_for(self) -> Decision:
        """The decision this check alone would lead to."""
        return consequence(self.check, self.verdict)

    @property
    def sentence(self) -> str:
        """The verdict, explained."""
        return sentence(self.check, self.figure, self.verdict)


def collect(stages: tuple[str, ...]) -> dict[str, Evidence]:
    """Read the evidence of those stages that left any.

    Parameters
    ----------
    stages : tuple of str
        Names of stages, as in ``dvc.yaml``.

    Returns
    -------
    dict of str to Evidence
        Stage → its evidence.

    Raises
    ------
    SignalboxError
        If a file isn't evidence, is that of another stage, or two don't belong together.
    """
    found: dict[str, Evidence] = {}
    for stage in stages:
        path = evidence_of(stage)
        if not path.exists():
            continue
        evidence = read_evidence(path)
        if evidence.stage != stage:
            raise SignalboxError(f"{path}: holds evidence of stage '{evidence.stage}'")
        found[stage] = evidence
    check_one_version(found)
    return found


def check_one_version(evidence: dict[str, Evidence]) -> None:
    """Stop where two stages measured different versions of one artifact.

    A decision on half of one model and half of another would be a decision on neither.

    Parameters
    ----------
    evidence : dict of str to Evidence
        Stage → its evidence.

    Raises
    ------
    SignalboxError
        Naming the artifact and both stages.
    """
    seen: dict[str, tuple[str, str]] = {}
    for stage, content in evidence.items():
        for path, sha256 in content.inputs.items():
            other, known = seen.setdefault(path, (stage, sha256))
            if known != sha256:
                raise SignalboxError(
                    f"{evidence_of(stage)} and {evidence_of(other)} were computed from different "
                    f"versions of {path}; run dvc repro"
                )


def check_names(checks: list[Check], stages: tuple[str, ...], policy_key: str = POLICY_KEY) -> None:
    """Stop at a check that asks for a stage which gives no evidence to this gate.

    Parameters
    ----------
    checks : list of Check
        The policy.
    stages : tuple of str
        Stages whose evidence the gate reads.
    policy_key : str, default `POLICY_KEY`
        Where the checks stand in ``params.yaml``.

    Raises
    ------
    SignalboxError
        Naming the key in ``params.yaml``; a typo in a policy must not wait for the evidence.
    """
    for index, check in enumerate(checks):
        stage = check.figure.split(".", 1)[0]
        if stage not in stages:
            raise SignalboxError(
                f"params.yaml: {policy_key}.{index}.figure: '{check.figure}' (check '{check.id}') "
                f"asks for stage '{stage}'; stages with evidence are {', '.join(stages)}; for a "
                f"stage of your own add {evidence_of(stage)} to the gate's deps in dvc.yaml"
            )


def judge_all(
    checks: list[Check], evidence: dict[str, Evidence], hashes: dict[str, str]
) -> list[Judged]:
    """Judge every check.

    Parameters
    ----------
    checks : list of Check
        The policy.
    evidence : dict of str to Evidence
        Stage → what it measured.
    hashes : dict of str to str
        Path of an evidence file → its SHA-256.

    Returns
    -------
    list of Judged
        One entry a check, in the policy's order.
    """
    return [_judge_one(check, evidence, hashes) for check in checks]


def _judge_one(check: Check, evidence: dict[str, Evidence], hashes: dict[str, str]) -> Judged:
    stage = check.figure.split(".", 1)[0]
    figure = evidence[stage].figure(check.figure) if stage in evidence else None
    path = evidence_of(stage).as_posix()
    return Judged(check, figure, path, hashes.get(path), judge(check, figure))


def as_evidence(judged: list[Judged], hashes: dict[str, str], stage: str = STAGE) -> Evidence:
    """Build the gate's own evidence: what was asked, found and decided.

    Parameters
    ----------
    judged : list of Judged
        Every check with its verdict.
    hashes : dict of str to str
        Path of an evidence file → its SHA-256.
    stage : str, default `STAGE`
        The gate's stage.

    Returns
    -------
    Evidence
    """
    decision = decide((verdict.check, verdict.verdict) for verdict in judged)
    return Evidence(
        stage=stage,
        inputs=hashes,
        figures=[_count(judged, verdict, stage) for verdict in VERDICTS],
        details={
            "decision": decision,
            "because": [verdict.check.id for verdict in judged if _carries(verdict, decision)],
            "policy": [verdict.check.model_dump(mode="json") for verdict in judged],
            "checks": [_entry(verdict) for verdict in judged],
        },
    )


def _carries(verdict: Judged, decision: Decision) -> bool:
    return decision != "approve" and verdict.asks_for == decision


_COUNTS: dict[Verdict, tuple[str, str]] = {
    "pass": ("passed", "Checks passed"),
    "fail": ("failed", "Checks failed"),
    "inconclusive": ("inconclusive", "Checks inconclusive"),
    "not_applicable": ("not_applicable", "Checks not applicable"),
}


def _count(judged: list[Judged], verdict: Verdict, stage: str) -> Figure:
    name, label = _COUNTS[verdict]
    return Figure(
        id=f"{stage}.{name}",
        label=label,
        value=sum(tested.verdict == verdict for tested in judged),
        method="count of the policy's checks",
        n=len(judged),
        unit="checks",
    )


def _entry(verdict: Judged) -> dict[str, object]:
    return {
        "id": verdict.check.id,
        "verdict": verdict.verdict,
        "asks_for": verdict.asks_for,
        "sentence": verdict.sentence,
        "figure": None if verdict.figure is None else verdict.figure.model_dump(mode="json"),
        "evidence": {"path": verdict.path, "sha256": verdict.sha256},
    }


def as_metrics(judged: list[Judged]) -> dict[str, object]:
    """Return what DVC compares between runs and what a scheduler branches on.

    Parameters
    ----------
    judged : list of Judged
        Every check with its verdict.

    Returns
    -------
    dict of str to object
        Content of ``metrics/<stage>.json``.
    """
    return {
        "verdict": decide((verdict.check, verdict.verdict) for verdict in judged),
        "checks": {verdict.check.id: verdict.verdict for verdict in judged},
        "counts": {v: sum(verdict.verdict == v for verdict in judged) for v in VERDICTS},
    }


def as_lines(judged: list[Judged], stage: str = STAGE) -> list[str]:
    """Return the decision for the log: one line a check, then the decision.

    Parameters
    ----------
    judged : list of Judged
        Every check with its verdict; at least one.
    stage : str, default `STAGE`
        The gate's stage.

    Returns
    -------
    list of str
    """
    wide = max(len(verdict.check.id) for verdict in judged)
    rows = [
        f"{verdict.verdict:<14}  {verdict.check.id:<{wide}}  {verdict.sentence}"
        for verdict in judged
    ]
    decision = decide((verdict.check, verdict.verdict) for verdict in judged)
    because = [verdict.check.id for verdict in judged if _carries(verdict, decision)]
    why = f" (because of: {', '.join(because)})" if because else ""
    return [*rows, f"{stage}: {decision.upper()}{why}"]


def run_gate(
    stage: str, checks: list[Check], stages: tuple[str, ...], policy_key: str = POLICY_KEY
) -> None:
    """Read the evidence, judge it, write and print the decision.

    Parameters
    ----------
    stage : str
        The gate's stage: it writes ``evidence/<stage>.json`` and ``metrics/<stage>.json``.
    checks : list of Check
        The policy.
    stages : tuple of str
        Stages whose evidence it judges; those of a project's own follow from ``dvc.yaml``.
    policy_key : str, default `POLICY_KEY`
        Where the checks stand in ``params.yaml``; errors name it.

    Raises
    ------
    SignalboxError
        As `check_names` and `collect`.
    """
    stages += own_stages(stage, stages)
    check_names(checks, stages, policy_key)
    evidence = collect(stages)
    hashes = hash_inputs(*map(evidence_of, evidence))
    judged = judge_all(checks, evidence, hashes)
    write_evidence(evidence_of(stage), as_evidence(judged, hashes, stage))
    write_json(metrics_of(stage), as_metrics(judged))
    for line in as_lines(judged, stage):
        log(line)
