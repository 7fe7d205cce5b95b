"""The ledger: chain and signatures, whether release tags tell the same, and who was erased."""

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.verification.chain import LEDGER
from pipelines.verification.project import Project
from pipelines.verification.results import Check, Finding, Status, conclude

if TYPE_CHECKING:
    from pipelines.release.ledger import Entry
    from pipelines.verification.pipeline import Lock


_CHAIN = "ledger: chain and signatures"
_TAGS = "release tags and the ledger"
_NO_LEDGER = "there is no ledger: nothing says who approved or released"
_MOST_LEDGERS = 100


def check_ledger(project: Project) -> list[Check]:
    """Verify chain and signatures, and check the tags of releases against the entries.

    A ledger alone doesn't show that its end was cut off, or that its key's owner wrote it anew; a
    tag that others have fetched does: the head it holds must be an entry of the chain.

    Parameters
    ----------
    project : Project
        The clone with ledger and tags.

    Returns
    -------
    list of Check
        The checks ``ledger`` and ``tags``; of a ledger that can't be read the first alone.
    """
    if not (project.root / LEDGER).is_file():
        absent = Check("ledger", _CHAIN, Status.SKIPPED, _NO_LEDGER)
        return [absent, _check_tags(project, [])]
    try:
        ledgers, findings = _read(project)
    except (SignalboxError, KeyError, ValueError, OSError) as error:
        return [conclude("ledger", _CHAIN, "", [Finding(LEDGER, str(error))])]
    count = sum(len(entries) for entries in ledgers)
    before = f" in {len(ledgers)} ledgers, each naming the one before" if len(ledgers) > 1 else ""
    good = f"{count} entries{before}, each signed and naming the one before"
    return [conclude("ledger", _CHAIN, good, findings), _check_tags(project, ledgers)]


def read_entries(project: Project) -> "list[Entry]":
    """Read all entries that can be read, those of continued ledgers too.

    `check_ledger` judges them.

    Parameters
    ----------
    project : Project
        The clone with the ledger.

    Returns
    -------
    list of Entry
    """
    if not (project.root / LEDGER).is_file():
        return []
    try:
        ledgers, _ = _read(project)
    except (SignalboxError, KeyError, ValueError, OSError):
        return []
    return [entry for entries in ledgers for entry in entries]


def _read(project: Project) -> "tuple[list[list[Entry]], list[Finding]]":
    """Entries of the ledger, then of those it continues; what is wrong with any of them."""
    from pipelines.release.ledger.verify import read_entry, verify_lines

    ledgers: list[list[Entry]] = []
    findings: list[Finding] = []
    name, expected = LEDGER, ""
    while name and len(ledgers) < _MOST_LEDGERS:
        *lines, torn = project.locate(name).read_bytes().split(b"\n")
        found = verify_lines(lines, torn if not ledgers else b"", [expected] if expected else [])
        if found.problem is not None:
            findings.append(Finding(name, f"line {found.problem.line}: {found.problem.reason}"))
            lines = lines[: found.entries]
        ledgers.append([read_entry(line) for line in lines])
        name, expected = _continued(ledgers[-1])
    return ledgers, findings


def _continued(entries: "list[Entry]") -> tuple[str, str]:
    """Path and head of the ledger that this one continues; empty if it is the first."""
    continues = entries[0].data.get("continues") if entries else None
    if not isinstance(continues, dict):
        return "", ""
    return f"ledger/{continues['file']}", str(continues["head"])


def _check_tags(project: Project, ledgers: "list[list[Entry]]") -> Check:
    from pipelines.release.ledger.anchors import find_strays, read_tags

    try:
        count = sum(tag.head is not None for tag in read_tags(project.root))
        strays = find_strays(project.root, {entry.hash for entries in ledgers for entry in entries})
        findings = [
            Finding(f"refs/tags/{name}", f"its head isn't in {LEDGER}", head)
            for head, names in strays.lost.items()
            for name in names
        ]
        elsewhere = {name for names in strays.elsewhere.values() for name in names}
        findings += _release_findings(project, ledgers, elsewhere)
    except SignalboxError as error:
        return Check("tags", _TAGS, Status.MISSING, str(error))
    if not count and not findings:
        return Check("tags", _TAGS, Status.SKIPPED, "no release: no tag holds a head of the ledger")
    good = (
        f"{count - len(elsewhere)} tags: their heads are in the chain, their releases in the ledger"
    )
    return conclude("tags", _TAGS, "; ".join([good, *strays.notes]), findings)


def _release_findings(
    project: Project, ledgers: "list[list[Entry]]", elsewhere: Collection[str]
) -> list[Finding]:
    """Every release and rollback has its tags, on the commit that the ledger names."""
    from pipelines.release.lifecycle.production import STEP_KINDS, steps
    from pipelines.release.registry.read import product_tags

    products = {e.subject for entries in ledgers for e in entries if e.kind in STEP_KINDS}
    findings = []
    for product in sorted(products):
        tags = {tag.tag: tag for tag in product_tags(project.root, product)}
        made = [pair for entries in ledgers for pair in steps(entries, product)]
        recorded = {tag for _, step in made for tag in step.tags}
        for entry, step in made:
            for name in step.tags:
                tag, where = tags.get(name), f"refs/tags/{name}"
                says = json.dumps({"commit": step.commit, "entry": entry.hash})
                if tag is None:
                    what = f"isn't there, but ledger entry {entry.seq} made it; git fetch --tags"
                    findings.append(Finding(where, what, says, status=Status.MISSING))
                elif (tag.commit, tag.anchor) != (step.commit, entry.hash):
                    has = json.dumps({"commit": tag.commit, "entry": tag.anchor})
                    what = f"isn't as ledger entry {entry.seq} made it"
                    findings.append(Finding(where, what, says, has))
        findings += [
            Finding(f"refs/tags/{name}", "is in no entry of the ledger")
            for name in sorted(set(tags) - recorded - set(elsewhere))
        ]
    return findings


KIND = "erasure"
_SHOWN = 3


def check_erased(project: Project, history: Project) -> Check | None:
    """Check whether a commit's files hold an erased subject; return None if they don't.

    Parameters
    ----------
    project : Project
        Where the commit is checked out.
    history : Project
        Has the ledger of today.

    Returns
    -------
    Check or None
    """
    erased = _objects(history)
    if not erased:
        return None
    try:
        files = project.git.blobs(project.git.commit())
    except SignalboxError:
        return None  # without a commit there is nothing to run, and another check says so
    erased_paths = {path: erased[blob] for path, blob in files.items() if blob in erased}
    if not erased_paths:
        return None
    paths = sorted(erased_paths)
    more = f" and {len(paths) - _SHOWN} more" if paths[_SHOWN:] else ""
    shown = ", ".join(paths[:_SHOWN]) + more
    return Check(
        "erased",
        "data of erased subjects",
        Status.MISSING,
        f"the commit's {shown} still hold(s) a subject that was erased (erasure "
        f"{', '.join(sorted(set(erased_paths.values())))}): nothing of it is computed or trained "
        "again",
    )


def check_cause(project: Project, history: Project, lock: "Lock") -> Check | None:
    """Name the erasures that took, or changed, what a commit's lock names.

    Such a release can't be reproduced, and that is as it should be: nothing else is wrong with it.

    Parameters
    ----------
    project : Project
        Where the commit is checked out.
    history : Project
        Has the ledger of today.
    lock : Lock
        The commit's ``dvc.lock``.

    Returns
    -------
    Check or None
        None if no erasure took anything of it.
    """
    taken, sources = _taken(history)
    gone: dict[str, str] = {}
    for path, out in {**lock.deps(), **lock.outs()}.items():
        if out.md5 in taken:
            gone[path] = taken[out.md5]
            continue
        for source, erasure in sources.items():
            if source == path or source.startswith(f"{path}/"):
                now = project.hashed(path)
                if now is None or now.md5 != out.md5:
                    gone[path] = erasure
    if not gone:
        return None
    paths = sorted(gone)
    more = f" and {len(paths) - _SHOWN} more" if paths[_SHOWN:] else ""
    return Check(
        "erased",
        "data of erased subjects",
        Status.MISSING,
        f"{', '.join(paths[:_SHOWN])}{more} held a subject that was erased since (erasure "
        f"{', '.join(sorted(set(gone.values())))}): taken out on purpose, so this release cannot "
        "be reproduced; its recorded hashes, figures and approvals stand as they were",
    )


def _taken(history: Project) -> tuple[dict[str, str], dict[str, str]]:
    """DVC's hashes of objects, and paths of source files, that erasures took or changed."""
    objects: dict[str, str] = {}
    sources: dict[str, str] = {}
    for entry in read_entries(history):
        if entry.kind != KIND or entry.data.get("stage") not in ("done", "incomplete"):
            continue
        erasure = str(entry.data.get("erasure", "?"))
        for removal in entry.data.get("removed") or []:
            path = str(removal.get("path", ""))
            if removal.get("place") == "source":
                sources[path] = erasure
            elif removal.get("action") == "removed":
                folder, _, name = path.rpartition("/")
                objects[folder.rpartition("/")[2] + name] = erasure
    return objects, sources


def explain_missing(rev: str, history: Project) -> str:
    """Explain why there is no such commit, if an erasure gave up the run that it belongs to.

    Parameters
    ----------
    rev : str
        Commit or name of a saved run.
    history : Project
        The clone that has the ledger of today.

    Returns
    -------
    str
        A clause; empty if no erasure did.
    """
    for proof in _proofs(history):
        for name, commit in (proof.get("runs") or {}).items():
            if rev in {name, name.removeprefix("refs/runs/")} or (
                len(rev) >= 7 and str(commit).startswith(rev)
            ):
                return (
                    f"the run {name} was given up by erasure {proof['erasure']}, because its "
                    "snapshot held the erased subject"
                )
    return ""


def _objects(history: Project) -> dict[str, str]:
    """Git's objects that hold an erased subject → the erasure that says so."""
    return {
        str(blob): str(proof["erasure"])
        for proof in _proofs(history)
        for key in ("objects", "pruned")
        for blob in proof.get(key) or []
    }


def _proofs(history: Project) -> list[dict[str, Any]]:
    """Part ``git`` of every erasure's proof, with the erasure's name."""
    found = []
    for entry in read_entries(history):
        part = entry.data.get("git") if entry.kind == KIND else None
        if isinstance(part, dict):
            found.append({**part, "erasure": entry.data.get("erasure", "?")})
    return found
