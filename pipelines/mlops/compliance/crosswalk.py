"""Chapter "Compliance and approval": the part of the crosswalk that evidence alone decides.

What the ledger, git, documents or the calendar say stands in the compliance report: it changes
after the stage has run, and this report must come out the same from the same evidence.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipelines.core.artifacts import PARAMS, evidence_of
from pipelines.mlops.compliance import ai_act, gdpr, hiring
from pipelines.mlops.compliance.facts import ComplianceParams, Facts
from pipelines.mlops.compliance.requirement import (
    PARAPHRASED,
    Check,
    Law,
    Requirement,
    Status,
    badge,
    mark_of,
)
from pipelines.mlops.release_report.inputs import Inputs
from pipelines.reporting.blocks import Block, Chapter, Column, Items, Prose, Row, Table, Text, join

SEX, RACE = "sex", "race"
"""Features by which Local Law 144 is held against evidence alone, where they are audited."""
PAGE = "compliance.html"
"""The compliance report, beside this one."""

ELSEWHERE = (
    "every decision and approval with who gave it, and overrides in red;",
    "releases, ways back and erasures, with the state of the signed ledger;",
    "KPIs with their targets and their trend over the ledger;",
    "what documents and the record of processing have to show, and all dates.",
)


class EvidenceFacts(Facts):
    """Facts without a look at anything but the stage's own inputs."""

    def has(self, path: str) -> bool:
        """Whether a path is evidence that was read, or ``params.yaml``."""
        return path == PARAMS.as_posix() or path in self.hashes


@dataclass(frozen=True)
class Part:
    """The part of a requirement that evidence decides, and how many other things it needs."""

    law: Law
    requirement: Requirement
    others: int

    @property
    def status(self) -> Status:
        """Met only if nothing but evidence is asked for: a part that is there is "partly"."""
        found = self.requirement.status
        return "partly" if found == "met" and self.others else found


def parts(inputs: Inputs) -> Iterator[Part]:
    """Find the requirements to which evidence has something to say."""
    for law in _laws(inputs):
        for requirement in law.requirements:
            mine = [check for check in requirement.checks if check.from_evidence]
            if mine:
                others = len(requirement.checks) - len(mine)
                yield Part(law, replace(requirement, checks=mine), others)


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    blocks: list[Block] = [
        Prose(
            join(
                "This report holds only what can be computed again, bit for bit, from its "
                "artifacts. What people decided and what happens after the pipeline has run would "
                "change it, so that is kept in the ",
                _beside("", "compliance report"),
                " (",
                Markup("<code>signalbox compliance</code>"),
                " writes it, from the signed ledger):",
            )
        ),
        Items(ELSEWHERE),
        Table(
            caption="Requirements, as far as evidence alone decides them",
            columns=[
                Column("Requirement"),
                Column("Evidence", wide=True),
                Column("Status"),
                Column("More in the compliance report", numeric=True),
            ],
            rows=[_row(part, inputs) for part in parts(inputs)],
            note="The last column counts what a requirement needs beside evidence; where it is "
            f"not 0, evidence alone shows a part at most. {PARAPHRASED}",
        ),
    ]
    return Chapter("compliance", "Compliance and approval", blocks, "Compliance, approval")


def as_data(inputs: Inputs) -> list[dict[str, Any]]:
    """Say the same to a program."""
    return [
        {
            "id": part.requirement.id,
            "law": part.law.title,
            "place": part.requirement.source,
            "status": part.status,
            "checks": [
                {
                    "shown": Markup(check.shown).striptags(),
                    "found": check.found,
                    "artifacts": list(check.paths),
                }
                for check in part.requirement.checks
            ],
            "others": part.others,
        }
        for part in parts(inputs)
    ]


def _laws(inputs: Inputs) -> list[Law]:
    paths = {evidence_of(stage).as_posix(): "" for stage in inputs.evidence}
    own = ComplianceParams(sex=SEX, race=RACE)
    facts = EvidenceFacts(Path(), inputs.params, own, inputs.evidence, hashes=paths)
    laws = [
        ai_act.annex_iv(facts),
        ai_act.articles(facts),
        gdpr.law(facts, gdpr.Privacy(record=())),
    ]
    # release.yaml, which no stage reads, can name other features; then nothing is said here.
    if {SEX, RACE} <= set(inputs.params.data.sensitive):
        laws += [hiring.local_law(facts), hiring.four_fifths(facts)]
    return laws


def _row(part: Part, inputs: Inputs) -> Row:
    requirement = part.requirement
    law = part.law.short.partition(",")[0]
    title = _beside(f"#{requirement.id}", requirement.title)
    name = join(title, f" ({law}, {requirement.source})")
    shown = Markup("<br>").join(_line(check, inputs) for check in requirement.checks)
    return Row([name, shown, badge(part.status), str(part.others)])


def _line(check: Check, inputs: Inputs) -> Text:
    marks = inputs.sources.mark(*map(Path, check.paths))
    return join(mark_of(check), " ", check.shown, marks)


def _beside(anchor: str, text: Text) -> Markup:
    """Link to the compliance report, which lies in the same folder."""
    return Markup('<a href="{}{}">{}</a>').format(PAGE, anchor, text)
