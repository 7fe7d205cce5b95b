"""Erase a subject: plan, say so in the ledger, do it, search again, prove it in the ledger.

The order makes a retry after a kill at any moment succeed: the source files, by which a subject
is recognised best, change last, and what was found is journalled before anything changes.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from pipelines.core.artifacts import PARAMS, RELEASED
from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file, write_bytes, write_text
from pipelines.core.keyed_hash import keys_folder, secret, token_of
from pipelines.core.params import DataParams, load_params
from pipelines.mlops.privacy import journal, run_refs, source, stores
from pipelines.mlops.privacy import stores as tree
from pipelines.mlops.privacy import subject as exclusion
from pipelines.mlops.privacy.journal import Journal, Removal
from pipelines.mlops.privacy.probe import LINES, Probe
from pipelines.mlops.privacy.search import (
    SOURCE,
    Plan,
    identify,
    require_one_key,
    search,
    shown,
    some,
    store_of,
)
from pipelines.mlops.privacy.subject import Subject, seal, secret_of


def update(root: Path, pins: dict[str, str]) -> list[str]:
    """Replace old pins in ``params.yaml`` by new ones; everything else stays as it is.

    A SHA-256 stands for one content, so its 64 digits are replaced where they stand; a YAML
    library that writes the file anew would touch lines that nobody changed.

    Parameters
    ----------
    root : Path
        Root of the project or of a run's workspace.
    pins : dict of str to str
        Old SHA-256 → new one, 64 hex digits each.

    Returns
    -------
    list of str
        The old pins that were there.
    """
    return _replace(root / PARAMS, pins)


def update_recorded_hashes(changed: Path, old: str, new: str) -> list[Path]:
    """Replace the hash of a table in the records beside it (predictions have one).

    Parameters
    ----------
    changed : Path
        The table, as it is now.
    old : str
        SHA-256 that it had.
    new : str
        SHA-256 that it has.

    Returns
    -------
    list of Path
        The records that named it.
    """
    beside = sorted(changed.parent.glob("*.json"))
    return [path for path in beside if _replace(path, {old: new})]


def _replace(path: Path, hashes: dict[str, str]) -> list[str]:
    """Replace old hashes by new ones in a text file; return the old ones that were there."""
    if not path.is_file():
        return []
    text = before = path.read_text(encoding="utf-8")
    found = [old for old in hashes if old in text]
    for old in found:
        text = text.replace(old, hashes[old])
    if text != before:
        write_text(path, text)
    return found


KIND = "erasure"
PRODUCT = "model_release"


class ErasureLedger(Protocol):
    """What an erasure needs of the ledger."""

    def append(self, kind: str, subject: str, data: dict[str, Any]) -> Any:
        """Add an entry, durably.

        Parameters
        ----------
        kind : str
            Kind of the entry.
        subject : str
            The product.
        data : dict of str to object
            What belongs to the entry; no personal data.

        Returns
        -------
        Entry
            The entry as it was written.
        """

    def entries(self) -> list[Any]:
        """Return all entries in order."""


@dataclass(frozen=True)
class Outcome:
    """What an erasure did.

    Attributes
    ----------
    proof : dict of str to object
        The ledger's entry: no personal data in it.
    notes : list of str
        What a person still has to do or know.
    repeated : bool
        The subject was erased before; nothing was there to do.
    """

    proof: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    repeated: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing of the subject remains where it was searched."""
        return bool(self.proof["stage"] == "done")


def erase(project: Path, text: str, ledger: ErasureLedger, *, keep_cache: bool = False,
          models_days: int = 30) -> Outcome:  # fmt: skip
    """Erase the subject that `text` names from everything the project keeps.

    Parameters
    ----------
    project : Path
        Root of the project.
    text : str
        The subject's key, or its keyed hash as an earlier proof or ``--token`` shows it.
    ledger : ErasureLedger
        The ledger.
    keep_cache : bool, default False
        Leave DVC's cache and remotes as they are; the proof then says that the subject remains.
    models_days : int, default 30
        Days within which a model that learned from the subject is to be replaced.

    Returns
    -------
    Outcome

    Raises
    ------
    SignalboxError
        If the subject is nowhere, rows of more than one written key would go, something can't be
        searched or written, or it is found again after all was done.
    """
    project = project.resolve()
    data = load_params(project / PARAMS).data
    if keys_folder().resolve().is_relative_to(project):
        raise SignalboxError(
            f"{keys_folder()}: secrets must not lie in the project, where they would be committed; "
            "set SIGNALBOX_KEYS to a folder outside"
        )
    key = secret_of(project)
    with journal.exclusive_lock(project):
        subject = identify(project, data, text, key)
        if subject is None:
            return _of_token(ledger, text)
        probe = Probe(subject, data)
        with stores.opened(project) as (open_stores, closed):
            state = journal.load(project, subject.token)
            plan = search(project, probe, open_stores)
            require_one_key(project, subject, plan)
            if state is None:
                if not plan.rows:
                    return _nothing(ledger, subject, plan, closed)
                state = journal.start(subject.token, seal(subject.id, key))
            state.keep_cache = keep_cache
            _record(project, state, plan)
            if not _is_reported(ledger, state.erasure, "intent"):
                ledger.append(KIND, PRODUCT, _intent(state))
            exclusion.add(project, subject.token)
            _act(project, state, plan, probe)
            left = search(project, probe, open_stores)
        proof = _proof(project, state, left, key, closed=closed, data=data, days=models_days)
        if not _is_reported(ledger, state.erasure, "done"):
            ledger.append(KIND, PRODUCT, proof)
        if proof["stage"] == "done":
            journal.forget(project, state)
    notes = [*_notes(project, state, data), *run_refs.notes(state, left.git)]
    return Outcome(proof, [*notes, *_note_on_doubt(project, left)])


def preview(project: Path, text: str, ledger: ErasureLedger) -> str:
    """Report where a subject is before anybody decides to erase it; change nothing.

    Parameters
    ----------
    project : Path
        Root of the project.
    text : str
        The subject's key, or its keyed hash.
    ledger : ErasureLedger
        The ledger.

    Returns
    -------
    str
        One sentence.

    Raises
    ------
    SignalboxError
        If the subject is nowhere and was never erased, or rows of more than one written key would
        go.
    """
    project = project.resolve()
    data = load_params(project / PARAMS).data
    subject = identify(project, data, text, secret_of(project))
    if subject is None:
        _of_token(ledger, text)
        return _ERASED_BEFORE
    with stores.opened(project) as (open_stores, closed):
        plan = search(project, Probe(subject, data), open_stores)
    require_one_key(project, subject, plan)
    if journal.load(project, subject.token) is not None:
        return "an erasure of this subject was begun and is not finished"
    if not plan.rows:
        _nothing(ledger, subject, plan, closed)
        return _ERASED_BEFORE
    files = sum(map(len, plan.sources.values())) + len(plan.found)
    runs = f" and {len(plan.git.runs):,} saved runs" if plan.git.runs else ""
    return (
        f"found: {plan.rows:,} rows in {files:,} files and {len(plan.objects):,} DVC objects{runs}"
    )


_ERASED_BEFORE = "erased before; nothing of the subject is left where it was searched"


def _of_token(ledger: ErasureLedger, token: str) -> Outcome:
    """Answer for a keyed hash that nobody has: erased before, or never there."""
    for entry in reversed(ledger.entries()):
        proof = entry.data if entry.kind == KIND else {}
        if proof.get("subject") == token and proof.get("stage") == "done":
            return Outcome(proof, repeated=True)
    raise SignalboxError(f"no subject in the tables has the keyed hash {token}")


def clear(project: Path, ledger: ErasureLedger) -> list[str]:
    """Say in the ledger which source files hold nobody who was erased.

    A run without the secret goes on with these files. An erasure says it of the files of its day;
    this is for what was delivered since.

    Parameters
    ----------
    project : Path
        Root of the project.
    ledger : ErasureLedger
        The ledger.

    Returns
    -------
    list of str
        SHA-256 of the files, unpacked.

    Raises
    ------
    SignalboxError
        If nobody was erased, the secret isn't on this machine, or the source has no local file that
        is free of the erased.
    """
    project = project.resolve()
    done = [e.data for e in ledger.entries() if e.kind == KIND and e.data.get("stage") == "done"]
    tokens = exclusion.read(project)
    if not done or not tokens:
        raise SignalboxError("nobody was erased: every run goes on without the key")
    data = load_params(project / PARAMS).data
    found = source.free_of(data, project, tokens, secret(create=False))
    if not found:
        raise SignalboxError(
            "data.source has no local file without a subject that was erased; runs need the key "
            "of the keyed hashes (erasure.key), which leaves those rows out"
        )
    entry = {"stage": exclusion.CLEARED, "erasure": done[-1]["erasure"], "sources": found}
    ledger.append(KIND, PRODUCT, entry)
    return found


def _record(project: Path, state: Journal, plan: Plan) -> None:
    """Put the plan into the journal, before anything changes."""
    for store, item in plan.objects:
        state.note(Removal(place=store.name, path=store.shown(item.path), kind=item.hit.kind,
                           rows=item.hit.rows, before=item.sha256,
                           alone=item.hit.alone))  # fmt: skip
    for found in plan.found:
        state.note(Removal(place=store_of(found.path, project), path=shown(found.path, project),
                           kind=found.hit.kind, rows=found.hit.rows,
                           before=found.sha256, alone=found.hit.alone))  # fmt: skip
    for root, files in plan.sources.items():
        for file in files:
            state.note(Removal(place=SOURCE, path=shown(file.path, project), kind=LINES,
                               rows=file.rows, before=sha256_file(file.path),
                               alone=file.alone))  # fmt: skip
            old_pins = state.pins.setdefault(shown(root, project), {})
            old_pins.setdefault(file.pin_before, file.pin_after)
            if file.alone and file.pin_before not in state.pins_alone:
                state.pins_alone.append(file.pin_before)
    run_refs.note(state, plan.git)
    if state.releases is None:
        state.releases = run_refs.releases_holding(project, plan.holding, plan.seen)
    journal.save(project, state)


def _act(project: Path, state: Journal, plan: Plan, probe: Probe) -> None:
    if not state.keep_cache:
        for store, item in plan.objects:
            store.remove(item.path)
            state.did(store.name, store.shown(item.path), "removed")
        if run_refs.drop_from_pointer(project, state.releases or []):
            state.pointer_shortened = True
    for found in plan.found:
        action = tree.remove_subject(found, project, probe)
        after = sha256_file(found.path) if found.path.is_file() else ""
        state.did(store_of(found.path, project), shown(found.path, project), action, after)
    journal.save(project, state)
    for files in plan.sources.values():
        for file in files:
            write_bytes(file.path, file.after)
            state.did(SOURCE, shown(file.path, project), "rewritten", sha256_file(file.path))
    for root, changed in state.pins.items():
        update(project / root, changed)
    _settle(project, state)
    for removal in state.removals.values():
        if removal.action == "rewritten" and removal.place != SOURCE:
            update_recorded_hashes(project / removal.path, removal.before, removal.after)
    run_refs.act(project, state)
    journal.save(project, state)


def _intent(state: Journal) -> dict[str, Any]:
    places = sorted({removal.place for removal in state.removals.values()})
    return {
        "stage": "intent",
        "erasure": state.erasure,
        "subject": state.token,
        "found_in": {
            store: sum(r.place == store for r in state.removals.values()) for store in places
        },
        "keep_cache": state.keep_cache,
    }


def _proof(
    project: Path,
    state: Journal,
    left: Plan,
    key: bytes,
    *,
    closed: list[str],
    data: DataParams,
    days: int,
) -> dict[str, Any]:
    """Build the ledger's entry: what was searched, removed, and what remains."""
    in_stores = [f"{store.name}: {store.shown(item.path)}" for store, item in left.objects]
    remaining = closed + _in_files(project, left) + ([] if state.keep_cache else in_stores)
    remaining += run_refs.left(project, state, left.git)
    until = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    _settle(project, state)
    return {
        "stage": "incomplete" if remaining else "done",
        "erasure": state.erasure,
        "subject": state.token,
        "searched": left.searched,
        "removed": [_in_ledger(state.removals[name], key) for name in sorted(state.removals)],
        "pins": _pins(state, key),
        "sources": source.free_of(data, project, exclusion.read(project), key),
        "remaining": remaining,
        "kept_on_request": in_stores if state.keep_cache else [],
        "at_the_source": source.elsewhere(data),
        "git": run_refs.runs_record(state, left.git),
        "not_searched": tree.NOT_SEARCHED,
        "releases": [
            {**release, "until": None if release["contains"] is False else until}
            for release in state.releases or []
        ],
        "pointer_shortened": state.pointer_shortened,
        "exclusion_list": exclusion.ERASED.as_posix(),
        "exclusion_honoured": exclusion.is_honoured(project),
    }


def _in_ledger(removal: Removal, key: bytes) -> dict[str, Any]:
    """Return a removal as the ledger keeps it: no plain hash of what was one person's alone.

    Whoever guesses a row could try it against such a hash; with others' rows in the file, against
    all of them at once.
    """
    said = removal.model_dump(exclude={"alone"})
    if removal.alone:
        said["before"] = token_of(removal.before, key)
        if removal.place not in (SOURCE, "project", "runs", run_refs.GIT_STORE):
            said["path"] = token_of(removal.path, key)  # DVC names objects by their hash
    return said


def _pins(state: Journal, key: bytes) -> dict[str, dict[str, str]]:
    return {
        root: {token_of(o, key) if o in state.pins_alone else o: new for o, new in pins.items()}
        for root, pins in state.pins.items()
    }


def _settle(project: Path, state: Journal) -> None:
    """Say what became of files that an attempt changed just before it was killed."""
    run_refs.settle(project, state)
    for removal in state.removals.values():
        if removal.action:
            continue
        path = project / removal.path
        if removal.place in (SOURCE, "project", "runs"):
            removal.after = sha256_file(path) if path.is_file() else ""
            unchanged = removal.after == removal.before
            removal.action = "remains" if unchanged else "rewritten" if removal.after else "removed"
        else:
            removal.action = "kept" if state.keep_cache else "removed"


def _in_files(project: Path, left: Plan) -> list[str]:
    """Files in which the second search found the subject again."""
    files = [file.path for found in left.sources.values() for file in found]
    return [shown(path, project) for path in files + [found.path for found in left.found]]


def _nothing(ledger: ErasureLedger, subject: Subject, plan: Plan, closed: list[str]) -> Outcome:
    """Answer where no row is found: erased before, or never there."""
    for entry in reversed(ledger.entries()):
        proof = entry.data if entry.kind == KIND else {}
        if proof.get("subject") == subject.token and proof.get("stage") == "done":
            return Outcome(proof, repeated=True)
    searched = ", ".join(f"{number:,} in {store}" for store, number in plan.searched.items())
    raise SignalboxError(
        f"the subject is nowhere (searched: {searched}); without data.subject_key a subject is "
        "named by a hash: find it with --find 'column=value,…'"
        + (
            f"; keys written alike: {some([repr(key) for key in plan.alike], 5)}"
            if plan.alike
            else ""
        )
        + (f"; the text stands in {', '.join(plan.words[:5])}" if plan.words else "")
        + "".join(f"; {reason}" for reason in closed)
        + (f"; git's history has it: {', '.join(plan.git.history)}" if plan.git.history else "")
    )


def _is_reported(ledger: ErasureLedger, erasure: str, stage: str) -> bool:
    """Whether the ledger has this entry already: an attempt may have been killed just after it."""
    return any(
        entry.kind == KIND
        and entry.data.get("erasure") == erasure
        and entry.data.get("stage") == stage
        for entry in ledger.entries()
    )


def _notes(project: Path, state: Journal, data: DataParams) -> list[str]:
    notes = [_note_on_exclusion(project)]
    if any(state.pins.values()):
        notes.append("data.source.sha256 in params.yaml follows the changed source files")
    changed = [project / r.path for r in state.removals.values() if r.place == SOURCE]
    in_git = tree.tracked(changed, project)
    if in_git:
        notes.append(
            f"git tracks {', '.join(in_git)}: commit the change; old versions stay in git's "
            "history until it is rewritten in every clone (git filter-repo)"
        )
    notes += [f"erase it at the source as well: {store}" for store in source.elsewhere(data)]
    if state.pointer_shortened:
        notes.append(f"{RELEASED} no longer lists the train data, which is gone: commit it")
    if state.keep_cache:
        notes.append("cache and remotes were kept on request and still hold the subject")
    notes.append("a run that was active meanwhile can bring copies back: erase again after it")
    return notes


def _note_on_doubt(project: Path, left: Plan) -> list[str]:
    if not left.doubtful:
        return []
    files = some([shown(path, project) for path in left.doubtful], 3)
    return [
        f"{files}: may name the subject by another text (a version that took keys for numbers "
        "wrote the number, without blanks around); if these rows are the subject's, erase that too"
    ]


def _note_on_exclusion(project: Path) -> str:
    if exclusion.is_honoured(project):
        return f"commit {exclusion.ERASED}: it keeps the subject out of later deliveries"
    return (
        f"commit {exclusion.ERASED}; but no stage of dvc.yaml depends on it, so a source that "
        "delivers the subject again brings it back"
    )
