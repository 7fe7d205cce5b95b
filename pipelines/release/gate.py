"""Stage ``gate``: hold the evidence against the release policy.

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

from dataclasses import dataclass

from pipelines.base.artifacts import evidence_of, metrics_of
from pipelines.base.errors import SignalboxError
from pipelines.base.evidence import Evidence, Figure, hash_inputs, read_evidence, write_evidence
from pipelines.base.files import write_json
from pipelines.base.params import Params
from pipelines.base.params.gate import Check
from pipelines.base.stage import run_stage, say
from pipelines.release.policy import VERDICTS, Decision, Verdict, consequence, decide, judge
from pipelines.release.words import sentence

STAGE = "gate"
POLICY_KEY = "gate.checks"
"""Where the model's policy stands in ``params.yaml``."""

MODEL_STAGES = ("ingest", "validate", "split", "train", "evaluate", "bias_audit", "drift")
"""Stages whose evidence a model's release is judged by; ``dvc.yaml`` has the same list."""


@dataclass(frozen=True)
class Judged:
    """One check, what the evidence says to it, and the verdict."""

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
    """Stage → evidence, of the stages that left any.

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
    policy_key
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
                f"asks for stage '{stage}'; stages with evidence are {', '.join(stages)}"
            )


def judge_all(
    checks: list[Check], evidence: dict[str, Evidence], hashes: dict[str, str]
) -> list[Judged]:
    """Judge every check.

    Parameters
    ----------
    checks
        The policy.
    evidence
        Stage → what it measured.
    hashes
        Path of an evidence file → its SHA-256.
    """
    return [_judge_one(check, evidence, hashes) for check in checks]


def _judge_one(check: Check, evidence: dict[str, Evidence], hashes: dict[str, str]) -> Judged:
    stage = check.figure.split(".", 1)[0]
    figure = evidence[stage].figure(check.figure) if stage in evidence else None
    path = evidence_of(stage).as_posix()
    return Judged(check, figure, path, hashes.get(path), judge(check, figure))


def as_evidence(judged: list[Judged], hashes: dict[str, str], stage: str = STAGE) -> Evidence:
    """Put what was asked, found and decided into the gate's own evidence."""
    decision = decide((one.check, one.verdict) for one in judged)
    return Evidence(
        stage=stage,
        inputs=hashes,
        figures=[_count(judged, verdict, stage) for verdict in VERDICTS],
        details={
            "decision": decision,
            "because": [one.check.id for one in judged if _carries(one, decision)],
            "policy": [one.check.model_dump(mode="json") for one in judged],
            "checks": [_entry(one) for one in judged],
        },
    )


def _carries(one: Judged, decision: Decision) -> bool:
    return decision != "approve" and one.asks_for == decision


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
        value=sum(one.verdict == verdict for one in judged),
        method="count of the policy's checks",
        n=len(judged),
        unit="checks",
    )


def _entry(one: Judged) -> dict[str, object]:
    return {
        "id": one.check.id,
        "verdict": one.verdict,
        "asks_for": one.asks_for,
        "sentence": one.sentence,
        "figure": None if one.figure is None else one.figure.model_dump(mode="json"),
        "evidence": {"path": one.path, "sha256": one.sha256},
    }


def as_metrics(judged: list[Judged]) -> dict[str, object]:
    """Give what DVC compares between runs and what a scheduler branches on."""
    return {
        "verdict": decide((one.check, one.verdict) for one in judged),
        "checks": {one.check.id: one.verdict for one in judged},
        "counts": {v: sum(one.verdict == v for one in judged) for v in VERDICTS},
    }


def as_lines(judged: list[Judged], stage: str = STAGE) -> list[str]:
    """Print-ready decision for the log: one line a check, then the decision."""
    wide = max(len(one.check.id) for one in judged)
    rows = [f"{one.verdict:<14}  {one.check.id:<{wide}}  {one.sentence}" for one in judged]
    decision = decide((one.check, one.verdict) for one in judged)
    because = [one.check.id for one in judged if _carries(one, decision)]
    why = f" (because of: {', '.join(because)})" if because else ""
    return [*rows, f"{stage}: {decision.upper()}{why}"]


def run_gate(
    stage: str, checks: list[Check], stages: tuple[str, ...], policy_key: str = POLICY_KEY
) -> None:
    """Read the evidence, judge it, write and print the decision.

    Parameters
    ----------
    stage
        The gate's stage: it writes ``evidence/<stage>.json`` and ``metrics/<stage>.json``.
    checks
        The policy.
    stages
        Stages whose evidence it judges, as in ``dvc.yaml``.
    policy_key
        Where the checks stand in ``params.yaml``; errors name it.

    Raises
    ------
    SignalboxError
        As `check_names` and `collect`.
    """
    check_names(checks, stages, policy_key)
    evidence = collect(stages)
    hashes = hash_inputs(*map(evidence_of, evidence))
    judged = judge_all(checks, evidence, hashes)
    write_evidence(evidence_of(stage), as_evidence(judged, hashes, stage))
    write_json(metrics_of(stage), as_metrics(judged))
    for line in as_lines(judged, stage):
        say(line)


def main(params: Params) -> None:
    """Judge the model."""
    run_gate(STAGE, params.gate.checks, MODEL_STAGES)


if __name__ == "__main__":
    run_stage(STAGE, main)
