"""Erase a subject: plan, say so in the ledger, do it, search again, prove it in the ledger.

The order makes a retry after a kill at any moment succeed: the source files, by which a subject
is recognised best, change last, and what was found is journalled before anything changes.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from pipelines.core.artifacts import INGESTED, PARAMS, RELEASED
from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file, write_bytes, write_text
from pipelines.core.params import DataParams, load_params
from pipelines.core.tables import SUBJECT, read_table
from pipelines.mlops.privacy import journal, releases, run_refs, source, stores
from pipelines.mlops.privacy import stores as tree
from pipelines.mlops.privacy import subject as exclusion
from pipelines.mlops.privacy.journal import Journal, Removal
from pipelines.mlops.privacy.probe import KEY, LINES, Probe
from pipelines.mlops.privacy.subject import PREFIX, Subject, keys_folder, named, secret


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
SOURCE = "source"


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


@dataclass
class _Plan:
    """Where the subject is now."""

    sources: dict[Path, list[source.SourceFile]]
    found: list[tree.Found]
    objects: list[tuple[stores.Store, stores.Object]]
    holding: set[str]
    seen: set[str]
    searched: dict[str, int]
    git: run_refs.Found
    doubtful: list[Path] = field(default_factory=list)
    alike: list[str] = field(default_factory=list, repr=False)

    @property
    def rows(self) -> int:
        """Rows of the subject; a key that only stands somewhere as a word may be chance."""
        return (
            sum(file.rows for files in self.sources.values() for file in files)
            + sum(found.hit.rows for found in self.found)
            + sum(item.hit.rows for _, item in self.objects)
            + self.git.rows
        )

    @property
    def words(self) -> list[str]:
        """Files and objects in which the key stands as a word."""
        files = [found.path.name for found in self.found if found.hit.kind == KEY]
        runs = [run.name for run in self.git.words]
        return files + [f"{s.name} {o.oid}" for s, o in self.objects if o.hit.kind == KEY] + runs


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
    key = secret(create=True)
    with journal.exclusive_lock(project):
        subject = named(text, key, _known(project, data) if text.startswith(PREFIX) else [])
        probe = Probe(subject, data)
        with stores.opened(project) as (open_stores, closed):
            state = journal.load(project, subject.token)
            plan = _search(project, probe, open_stores)
            _only_one_key(project, subject, plan)
            if state is None:
                if not plan.rows:
                    return _nothing(ledger, subject, plan, closed)
                state = journal.start(subject.token)
            state.keep_cache = keep_cache
            _record(project, state, plan)
            if not _is_reported(ledger, state.erasure, "intent"):
                ledger.append(KIND, PRODUCT, _intent(state))
            exclusion.add(project, subject.token)
            _act(project, state, plan, probe)
            left = _search(project, probe, open_stores)
        proof = _proof(project, state, left, closed=closed, data=data, days=models_days)
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
    key = secret(create=True)
    subject = named(text, key, _known(project, data) if text.startswith(PREFIX) else [])
    with stores.opened(project) as (open_stores, closed):
        plan = _search(project, Probe(subject, data), open_stores)
    _only_one_key(project, subject, plan)
    if journal.load(project, subject.token) is not None:
        return "an erasure of this subject was begun and is not finished"
    if not plan.rows:
        _nothing(ledger, subject, plan, closed)
        return "erased before; nothing of the subject is left where it was searched"
    files = sum(map(len, plan.sources.values())) + len(plan.found)
    runs = f" and {len(plan.git.runs):,} saved runs" if plan.git.runs else ""
    return (
        f"found: {plan.rows:,} rows in {files:,} files and {len(plan.objects):,} DVC objects{runs}"
    )


def _known(project: Path, data: DataParams) -> list[str]:
    """Subjects that a keyed hash may mean: those of the source and of the ingested table."""
    reading = source.read(data, project)
    keys = dict.fromkeys(reading.subjects.dropna() if reading is not None else [])
    if reading is None or (project / INGESTED).is_file():
        keys |= dict.fromkeys(read_table(project / INGESTED, [SUBJECT])[SUBJECT].dropna())
    return [str(key) for key in keys]


def _written_elsewhere(project: Path, data: DataParams) -> list[str]:
    """Keys of the ingested table, where the source isn't on this machine: if it has them as text.

    A table that an earlier version wrote has numbers there, which say nothing of what was written.
    """
    path = project / INGESTED
    if data.subject_key is None or not path.is_file():
        return []
    frame = read_table(path)
    if data.subject_key not in frame.columns or frame[data.subject_key].dtype != "str":
        return []
    return [str(key) for key in frame[data.subject_key].dropna().unique()]


def _only_one_key(project: Path, subject: Subject, plan: _Plan) -> None:
    """Refuse what would take rows of another person as well; nothing has been changed yet.

    Raises
    ------
    SignalboxError
        Naming the keys and the files that can't tell them apart.
    """
    mixed = [found for found in plan.found if found.hit.written - {subject.id}]
    if not mixed:
        return
    keys = sorted({subject.id}.union(*(found.hit.written for found in mixed)))
    files = [_shown(found.path, project) for found in mixed]
    raise SignalboxError(
        f"{_some(files, 3)}: cannot tell the rows of {len(keys)} written keys apart: "
        f"{_some([repr(key) for key in keys], 10)}; nothing was erased: make these tables again "
        "(dvc repro; they are of a version that took keys for numbers), or delete them, and erase "
        "again"
    )


def _some(texts: list[str], most: int) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _search(project: Path, probe: Probe, open_stores: list[stores.Store]) -> _Plan:
    sources: dict[Path, list[source.SourceFile]] = {}
    leave: set[Path] = set()
    for root in tree.roots(project):
        data = tree.data_of(root, probe.data)
        leave |= set(source.local_files(data, root))
        reading = source.read(data, root)
        sources[root] = source.holding(reading, probe.mask) if reading is not None else []
        for file in sources[root]:
            probe.lines |= file.lines
        if reading is not None:
            probe.written.add(reading.keys())
    if not leave:
        probe.written.add(_written_elsewhere(project, probe.data))
    tables = tree.search(project, probe, leave)
    objects, holding, seen = [], set(), set()
    searched = {"source files": len(leave), "files": tables.opened}
    for store in open_stores:
        hits, opened = store.search(probe)
        objects += [(store, hit) for hit in hits]
        holding |= {hit.oid for hit in hits}
        seen |= opened
        searched[store.name] = len(opened)
    in_git = run_refs.search(project, probe)
    searched["versions in git"] = in_git.opened
    return _Plan(sources, tables.found, objects, holding, seen, searched, in_git,
                 tables.doubtful, sorted(probe.written.alike))  # fmt: skip


def _record(project: Path, state: Journal, plan: _Plan) -> None:
    """Put the plan into the journal, before anything changes."""
    for store, item in plan.objects:
        state.note(Removal(place=store.name, path=store.shown(item.path), kind=item.hit.kind,
                           rows=item.hit.rows, before=item.sha256))  # fmt: skip
    for found in plan.found:
        state.note(Removal(place=_store_of(found.path, project), path=_shown(found.path, project),
                           kind=found.hit.kind, rows=found.hit.rows,
                           before=found.sha256))  # fmt: skip
    for root, files in plan.sources.items():
        for file in files:
            state.note(Removal(place=SOURCE, path=_shown(file.path, project), kind=LINES,
                               rows=file.rows, before=sha256_file(file.path)))  # fmt: skip
            old_pins = state.pins.setdefault(_shown(root, project), {})
            old_pins.setdefault(file.pin_before, file.pin_after)
    run_refs.note(state, plan.git)
    if state.releases is None:
        state.releases = releases.releases(project, plan.holding, plan.seen)
    journal.save(project, state)


def _act(project: Path, state: Journal, plan: _Plan, probe: Probe) -> None:
    if not state.keep_cache:
        for store, item in plan.objects:
            store.remove(item.path)
            state.did(store.name, store.shown(item.path), "removed")
        if releases.drop_from_pointer(project, state.releases or []):
            state.pointer_shortened = True
    for found in plan.found:
        action = tree.remove_subject(found, project, probe)
        after = sha256_file(found.path) if found.path.is_file() else ""
        state.did(_store_of(found.path, project), _shown(found.path, project), action, after)
    journal.save(project, state)
    for files in plan.sources.values():
        for file in files:
            write_bytes(file.path, file.after)
            state.did(SOURCE, _shown(file.path, project), "rewritten", sha256_file(file.path))
    for root, changed in state.pins.items():
        update(project / root, changed)
    _settle(project, state)
    for removal in state.removals.values():
        if removal.action == "rewritten" and removal.place != SOURCE:
            update_recorded_hashes(project / removal.path, removal.before, removal.after)
    run_refs.act(project, state)
    journal.save(project, state)


def _intent(state: Journal) -> dict[str, Any]:
    store_names = sorted({removal.place for removal in state.removals.values()})
    return {
        "stage": "intent",
        "erasure": state.erasure,
        "subject": state.token,
        "found_in": {
            store: sum(r.place == store for r in state.removals.values()) for store in store_names
        },
        "keep_cache": state.keep_cache,
    }


def _proof(
    project: Path, state: Journal, left: _Plan, *, closed: list[str], data: DataParams, days: int
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
        "removed": [state.removals[key].model_dump() for key in sorted(state.removals)],
        "pins": state.pins,
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


def _in_files(project: Path, left: _Plan) -> list[str]:
    """Files in which the second search found the subject again."""
    files = [file.path for found in left.sources.values() for file in found]
    return [_shown(path, project) for path in files + [found.path for found in left.found]]


def _nothing(ledger: ErasureLedger, subject: Subject, plan: _Plan, closed: list[str]) -> Outcome:
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
            f"; keys written alike: {_some([repr(key) for key in plan.alike], 5)}"
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


def _note_on_doubt(project: Path, left: _Plan) -> list[str]:
    if not left.doubtful:
        return []
    files = _some([_shown(path, project) for path in left.doubtful], 3)
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


def _store_of(path: Path, project: Path) -> str:
    return "runs" if path.is_relative_to(project / tree.RUNS) else "project"


def _shown(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)
