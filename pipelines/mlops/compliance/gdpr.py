"""GDPR, Regulation (EU) 2016/679: Articles 5, 17, 22 and 30.

Wording paraphrased after the text in OJ L 119, 4.5.2016.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.mlops.compliance.facts import Entry, Facts, day
from pipelines.mlops.compliance.requirement import Check, Law, Requirement
from pipelines.reporting.blocks import Text

TEXT = "https://eur-lex.europa.eu/eli/reg/2016/679/oj"
APPLIES = (
    "Binding where personal data of people in the EU is processed. Whether the rows of this data "
    "set are personal data is for the controller to decide."
)


@dataclass(frozen=True)
class RecordItem:
    """A line of the record of processing activities.

    Attributes
    ----------
    place
        Where in Article 30(1) it is asked for.
    given
        False = it is asked for and not there.
    """

    article: str
    term: str
    text: Text
    given: bool


@dataclass(frozen=True)
class Privacy:
    """What the data room knows about personal data; made by ``pipelines.mlops.privacy``.

    Attributes
    ----------
    record
        The record of processing.
    kept_too_long
        Store, file, age in days, limit in days.
    limits
        Store → days, of the stores that have a limit.
    unlimited
        Stores that hold files and have no limit.
    idle
        Inputs that add nothing measurable, with why we say so.
    measured
        Whether the contribution of inputs was measured at all.
    """

    record: Sequence[RecordItem]
    kept_too_long: Sequence[tuple[str, str, int, int]] = ()
    limits: Sequence[tuple[str, int]] = ()
    unlimited: Sequence[str] = ()
    idle: Sequence[tuple[str, str]] = ()
    measured: bool = False
    how: str = ""
    special: Sequence[tuple[str, str]] = ()
    """Columns of special categories, and what they are used for."""

    def item(self, term: str) -> Check:
        """Check that a line of the record is there."""
        line = next((line for line in self.record if line.term == term), None)
        if line is None:
            return Check(f"{term}: not in the record", False)
        return Check(f"{term}: {line.text}" if isinstance(line.text, str) else term, line.given)


def law(facts: Facts, privacy: Privacy) -> Law:
    """Hold the project against the GDPR."""
    return Law("gdpr", "GDPR, Articles 5, 17, 22 and 30", "GDPR", APPLIES, TEXT, [
        Requirement(
            "gdpr.5.1a-b", "Article 5(1)(a)–(b)", "Lawfulness and purpose",
            "Lawful, fair and transparent processing, for specified and explicit purposes.",
            [privacy.item("Legal basis"), privacy.item("Purposes"), _special(privacy)]),
        Requirement(
            "gdpr.5.1c", "Article 5(1)(c)", "Data minimisation",
            "Adequate, relevant and limited to what is necessary for the purpose.",
            [_measured(privacy), _no_idle(privacy),
             facts.detail("train", "left_out", "Columns that the model does not see")],
            "That an input adds nothing measurable is a figure; that it is therefore not necessary "
            "is a judgement, and so is the line below which nothing counts as measurable."),
        Requirement(
            "gdpr.5.1d", "Article 5(1)(d)", "Accuracy of the data",
            "Accurate and, where necessary, kept up to date.",
            [facts.figure("validate.quarantined_share"),
             facts.detail("validate", "rules", "Expectations the data was checked against")]),
        Requirement(
            "gdpr.5.1e", "Article 5(1)(e)", "Storage limitation",
            "Kept in identifiable form no longer than necessary.",
            [_limits(privacy), _old(privacy)],
            "How long is necessary is the controller's judgement."),
        Requirement(
            "gdpr.5.1f-5.2", "Article 5(1)(f), 5(2)", "Integrity and accountability",
            "Appropriate security; the controller can demonstrate that it complies.",
            [facts.file("dvc.lock", "Hashes of all data and models"), _ledger(facts),
             privacy.item("Security measures")]),
        Requirement(
            "gdpr.17", "Article 17(1)", "Right to erasure",
            "On request and where a ground applies, a person's data is erased without undue delay.",
            _erasures(facts),
            "A trained model is no table of rows; whether it holds personal data depends on the "
            "case (EDPB Opinion 28/2024). Signalbox names the models that learned from the person, "
            "and a date."),
        Requirement(
            "gdpr.22", "Article 22", "Automated decisions",
            "Nobody is subject to a decision based solely on automated processing with legal or "
            "similarly significant effect, save for the exceptions of 22(2); then a person can "
            "have a human look, state their view and contest; special categories only under 22(4).",
            [facts.said(facts.params.report.not_for, "Not for", "report.not_for"),
             facts.said(facts.own.contest, "How a person gets a human to look",
                        "compliance.contest"),
             facts.detail("train", "importance", "What the model leans on")],
            "The law asks for a human in the individual decision. Approval of a release by a human "
            "does not meet it."),
        Requirement(
            "gdpr.30", "Article 30(1)", "Record of processing activities",
            "A record with controller, purposes, categories of people and data, recipients, "
            "transfers, time limits for erasure, security measures.",
            [Check(f"{line.article} {line.term}", line.given) for line in privacy.record]),
    ])  # fmt: skip


def _special(privacy: Privacy) -> Check:
    return privacy.item("Special categories")


def _measured(privacy: Privacy) -> Check:
    return Check("What each input adds was measured", privacy.measured,
                 ("evidence/train.json",) * privacy.measured)  # fmt: skip


def _no_idle(privacy: Privacy) -> Check:
    if not privacy.measured:
        return Check("Inputs that add nothing: not known", False)
    names = ", ".join(name for name, _ in privacy.idle)
    if names:
        return Check(f"Inputs that add nothing measurable: {names}", False, refuted=True)
    return Check("Every input adds something measurable", True)


def _limits(privacy: Privacy) -> Check:
    if privacy.unlimited:
        return Check("No limit in privacy.retention_days for: " + ", ".join(privacy.unlimited),
                     False)  # fmt: skip
    return Check("Every store has a limit", True)


def _old(privacy: Privacy) -> Check:
    if not privacy.limits:
        return Check("Whether anything is kept too long: without limits nobody can say", False)
    count = len(privacy.kept_too_long)
    if count:
        return Check(f"{count} files are older than their limit allows", False, refuted=True)
    return Check("No file is older than its limit allows", True)


def _ledger(facts: Facts) -> Check:
    return facts.logged("Signed record of what was done", "run", "gate", "approval", "release")


def _erasures(facts: Facts) -> list[Check]:
    """Whether the way was ever walked, whether an erasure is open, a model overdue."""
    entries = facts.of_kind("erasure")
    proofs = [entry for entry in entries if entry["data"].get("stage") == "done"]
    done = {entry["data"].get("erasure") for entry in proofs}
    pending = [entry for entry in entries if entry["data"].get("erasure") not in done]
    proven = facts.logged("Erasures, begun and proven", "erasure")
    return [
        facts.file("dags/erase_subject.py", "A way to erase a person from all stores"),
        proven if proofs else Check("No erasure was proven yet: the way is untried", False),
        Check(f"The erasure begun on {day(pending[0])} is not proven", False, refuted=True)
        if pending
        else Check("No erasure is open", bool(facts.entries) and not facts.ledger_problem),
        _overdue(facts, proofs),
        _kept_out(proofs),
    ]


def _kept_out(proofs: Sequence[Entry]) -> Check:
    """Whether a source that delivers an erased person again would bring them back."""
    if not proofs:
        return Check("That erased people stay out: no erasure to tell by", False)
    if proofs[-1]["data"].get("exclusion_honoured"):
        return Check("Erased people stay out of later deliveries (keyed-hash list)", True)
    return Check("No stage reads the list of erased people: a later delivery can bring them back",
                 False, refuted=True)  # fmt: skip


def _overdue(facts: Facts, proofs: Sequence[Entry]) -> Check:
    """Whether a model that learned from an erased person outlived the date of the proof."""
    if not facts.entries:
        return Check("Models that learned from an erased person: no ledger to say", False)
    today = day(facts.entries[-1])
    for proof in proofs:
        replaced = any(r["seq"] > proof["seq"] for r in facts.of_kind("release"))
        for release in proof["data"].get("releases", []):
            if release["contains"] and str(release["until"]) < today and not replaced:
                shown = f"{release['release']} was to be replaced until {release['until']}"
                return Check(shown, False, refuted=True)
    return Check("No model outlived the date by which it was to be replaced", True)
