"""Whom a text names, and where in all that the project keeps that person is."""

from dataclasses import dataclass, field
from pathlib import Path

from pipelines.core.artifacts import INGESTED
from pipelines.core.errors import SignalboxError
from pipelines.core.keyed_hash import PREFIX, token_of
from pipelines.core.params import DataParams
from pipelines.core.tables import read_table
from pipelines.mlops.data.keys import key_columns, key_texts
from pipelines.mlops.privacy import journal, run_refs, source, stores
from pipelines.mlops.privacy import stores as tree
from pipelines.mlops.privacy.probe import KEY, Probe
from pipelines.mlops.privacy.subject import Subject, named, unseal


@dataclass
class Plan:
    """Where the subject is now.

    Attributes
    ----------
    sources : dict of Path to list of SourceFile
        Root → its source files that hold the subject.
    found : list of Found
        Other files that do.
    objects : list of tuple of (Store, Object)
        Objects of DVC's stores that do.
    holding, seen : set of str
        DVC's hashes of these objects, and of all that were opened.
    searched : dict of str to int
        Where → how many files or objects were opened.
    git : run_refs.Found
        Where in git the subject is.
    doubtful : list of Path
        Files that may name the subject by another text.
    alike : list of str
        Other keys that look like the subject's.
    """

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


def identify(project: Path, data: DataParams, text: str, key: bytes) -> Subject | None:
    """Return whom a text names; None if it is a keyed hash that nobody in the project has.

    Parameters
    ----------
    project : Path
        Root of the project.
    data : DataParams
        Section ``data`` of ``params.yaml``.
    text : str
        A subject's key, or its keyed hash.
    key : bytes
        The secret of the keyed hash, 32 bytes.

    Returns
    -------
    Subject or None

    Raises
    ------
    SignalboxError
        If a file cannot be read, or the text is one person's keyed hash and another's key.
    """
    known: list[str] = []
    if text.startswith(PREFIX):
        known = _known(project, data)
        state = journal.load(project, text)
        # An erasure that was killed at the very end has taken the key out of all tables already.
        known += [unseal(state.sealed, key)] if state is not None and state.sealed else []
        if not any(text in {candidate, token_of(candidate, key)} for candidate in known):
            return None
    return named(text, key, dict.fromkeys(known))


def _known(project: Path, data: DataParams) -> list[str]:
    """Subjects that a keyed hash may mean: those of the source and of every Parquet table."""
    reading = source.read(data, project)
    keys = dict.fromkeys(reading.subjects.dropna() if reading is not None else [])
    for path in tree.files(project):
        if path.suffix == ".parquet":
            keys |= dict.fromkeys(_keys_in(path, data))
    return [str(key) for key in keys]


def _keys_in(path: Path, data: DataParams) -> list[str]:
    """Keys of a table that names its subjects; none of any other file."""
    from pyarrow import ArrowException, parquet

    try:
        names = [n for n in key_columns(data) if n in parquet.read_schema(path).names]
        table = parquet.read_table(path, columns=names)
        columns = [key_texts(table.column(name), name, str(path)) for name in names]
    except (ArrowException, OSError, SignalboxError):
        return []
    return [str(key) for column in columns for key in column.dropna().unique()]


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


def search(project: Path, probe: Probe, open_stores: list[stores.Store]) -> Plan:
    """Search everything that the project keeps: the one list of stores for erasure and access.

    Parameters
    ----------
    project : Path
        Root of the project.
    probe : Probe
        Looks for the subject; takes the subject's lines and the keys written in the sources.
    open_stores : list of Store
        DVC's cache and remotes.

    Returns
    -------
    Plan

    Raises
    ------
    SignalboxError
        If a source file cannot be read.
    """
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
    return Plan(sources, tables.found, objects, holding, seen, searched, in_git,
                 tables.doubtful, sorted(probe.written.alike))  # fmt: skip


SOURCE = "source"


def store_of(path: Path, project: Path) -> str:
    """Return the place of a file, as in `Removal.place`.

    Parameters
    ----------
    path : Path
        A file of the project.
    project : Path
        Root of the project.

    Returns
    -------
    str
        ``runs`` or ``project``.
    """
    return "runs" if path.is_relative_to(project / tree.RUNS) else "project"


def shown(path: Path, project: Path) -> str:
    """Return a path as proofs show it: relative to the project, if it lies there.

    Parameters
    ----------
    path : Path
        A file.
    project : Path
        Root of the project.

    Returns
    -------
    str
    """
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)


def require_one_key(project: Path, subject: Subject, plan: Plan) -> None:
    """Refuse what would take, or show, rows of another person as well.

    Parameters
    ----------
    project : Path
        Root of the project.
    subject : Subject
        The person.
    plan : Plan
        Where the person is; nothing has been changed yet.

    Raises
    ------
    SignalboxError
        Naming the keys and the files that can't tell them apart.
    """
    mixed = [found for found in plan.found if found.hit.written - {subject.id}]
    if not mixed:
        return
    keys = sorted({subject.id}.union(*(found.hit.written for found in mixed)))
    files = [shown(found.path, project) for found in mixed]
    raise SignalboxError(
        f"{some(files, 3)}: cannot tell the rows of {len(keys)} written keys apart: "
        f"{some([repr(key) for key in keys], 10)}; nothing was done: make these tables again "
        "(dvc repro; they are of a version that took keys for numbers), or delete them, and try "
        "again"
    )


def some(texts: list[str], most: int) -> str:
    """Return the first texts, and how many more there are.

    Parameters
    ----------
    texts : list of str
        What to list.
    most : int
        How many to show.

    Returns
    -------
    str
    """
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
