"""The ledger: its chain and signatures, and the heads that release tags hold."""

from typing import TYPE_CHECKING

from pipelines.base.errors import SignalboxError
from pipelines.proof.chain import LEDGER
from pipelines.proof.project import Project
from pipelines.proof.results import Check, Finding, Status, conclude

if TYPE_CHECKING:
    from pipelines.release.ledger import Ledger

_CHAIN = "ledger: chain and signatures"
_TAGS = "release tags and the ledger"
_NO_LEDGER = "there is no ledger: nothing says who approved or released"


def check_ledger(project: Project) -> list[Check]:
    """Verify chain and signatures; find the head that every release tag holds in the chain.

    A ledger alone doesn't show that its end was cut off or that its key's owner wrote it anew; a
    tag that others have fetched does: its head must be an entry of the chain.
    """
    if not (project.root / LEDGER).is_file():
        absent = Check("ledger", _CHAIN, Status.SKIPPED, _NO_LEDGER)
        return [absent, _check_tags(project, set())]
    from pipelines.release.ledger import Ledger

    try:
        ledger = Ledger.of(project.root)
        return [_check_chain(ledger), _check_tags(project, {e.hash for e in ledger.entries()})]
    except SignalboxError as error:
        return [conclude("ledger", _CHAIN, "", [Finding(LEDGER, str(error))])]


def _check_chain(ledger: "Ledger") -> Check:
    found = ledger.verify()
    findings = []
    if found.problem is not None:
        what = f"entry {found.problem.seq} (line {found.problem.line}): {found.problem.reason}"
        findings.append(Finding(LEDGER, what))
    elif not found.ok:
        findings.append(Finding(LEDGER, "does not verify"))
    good = f"{len(ledger.entries())} entries, each signed and naming the one before"
    return conclude("ledger", _CHAIN, good, findings)


def _check_tags(project: Project, hashes: set[str]) -> Check:
    try:
        anchors = project.git.anchors()
    except SignalboxError as error:
        return Check("tags", _TAGS, Status.MISSING, str(error))
    if not anchors:
        return Check("tags", _TAGS, Status.SKIPPED, "no release tag holds a head of the ledger")
    genesis = "0" * 64
    findings = [
        Finding(f"refs/tags/{anchor.name}", f"its head isn't in {LEDGER}", anchor.head)
        for anchor in anchors
        if anchor.head not in hashes and anchor.head != genesis
    ]
    return conclude("tags", _TAGS, f"heads of {len(anchors)} tags are in the chain", findings)
