"""What is held of a person: rights of access and portability (GDPR Art. 15 and 20).

The search is that of the erasure, so whatever an erasure would take is listed here before.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.artifacts import EVIDENCE, PARAMS
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, read_evidence
from pipelines.core.git import git_contents
from pipelines.core.params import Params, load_params
from pipelines.mlops.data.columns import as_label
from pipelines.mlops.data.sources import parse_csv
from pipelines.mlops.privacy import run_refs, source, stores
from pipelines.mlops.privacy.accountability import PrivacyParams, record, shown_measures
from pipelines.mlops.privacy.erase import PRODUCT, ErasureLedger
from pipelines.mlops.privacy.probe import LINES, TABLE, Probe
from pipelines.mlops.privacy.search import (
    SOURCE,
    Plan,
    identify,
    require_one_key,
    search,
    shown,
    store_of,
)
from pipelines.mlops.privacy.stores import NOT_SEARCHED
from pipelines.mlops.privacy.subject import Subject, secret_of

if TYPE_CHECKING:
    import pandas as pd

KIND = "access"
HISTORY = "git history"
"""Place of what commits of branches and tags hold: searched, never rewritten by an erasure."""

COLUMNS = ("place", "path", "row", "column", "value")
"""Columns of the CSV form: one line a value."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Copy:
    """What one file, object or run holds of the person.

    Attributes
    ----------
    place : str
        ``source``, ``project``, ``runs``, ``git``, ``git history``, the name of a store of DVC, or
        of telemetry (``telemetry``, ``inbox``, ``results``, ``state``).
    path : str
        Relative to the place; in git, a ref.
    kind : str
        How the person was found, as in `Hit.kind`; ``selector`` in telemetry.
    rows : list of dict of str to object
        Column → value; empty where the key stands in a text, or a folder lists a file.
    """

    place: str
    path: str
    kind: str
    rows: list[Row] = field(repr=False)


@dataclass(frozen=True)
class PersonalData:
    """Everything that is held of a person.

    Attributes
    ----------
    subject : Subject
        The person.
    copies : list of Copy
        By place and path.
    searched : dict of str to int
        Where → how many files or objects were opened.
    closed : list of str
        Why remotes could not be searched.
    elsewhere : list of str
        Sources that only their owner can search.
    releases : list of dict of str to object
        Released models, and whether they learned from the person.
    processing : list of dict of str to str
        What Art. 15(1) asks for: purposes, recipients, time limits, origin.
    """

    subject: Subject
    copies: list[Copy]
    searched: dict[str, int]
    closed: list[str]
    elsewhere: list[str]
    releases: list[dict[str, Any]]
    processing: list[dict[str, str]]

    @property
    def rows(self) -> int:
        """Rows of the person, every copy counted."""
        return sum(len(copy.rows) for copy in self.copies)

    def to_json(self) -> str:
        """Return all of it as JSON.

        Returns
        -------
        str
        """
        said = {
            "subject": self.subject.id,
            "held": [
                {"place": c.place, "path": c.path, "found": c.kind, "rows": c.rows}
                for c in self.copies
            ],
            "releases": self.releases,
            "processing": self.processing,
            "searched": self.searched,
            "could_not_be_searched": self.closed,
            "ask_at_the_source": self.elsewhere,
            "not_searched": NOT_SEARCHED,
        }
        return json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """Return the values as CSV, one line a value; a copy without rows has one line.

        Returns
        -------
        str
            Columns `COLUMNS`; rows are counted from 1 in each copy.
        """
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for copy in self.copies:
            if not copy.rows:
                writer.writerow([copy.place, copy.path, "", "", ""])
            for number, row in enumerate(copy.rows, start=1):
                for column, value in row.items():
                    text = "" if value is None else _text(value)
                    writer.writerow([copy.place, copy.path, number, column, text])
        return stream.getvalue()


def personal_data_of(
    project: Path,
    text: str,
    ledger: ErasureLedger,
    own: PrivacyParams,
    *,
    action: str,
    linked: Sequence[Copy] = (),
) -> PersonalData:
    """Collect what is held of the person that `text` names, and say so in the ledger.

    Parameters
    ----------
    project : Path
        Root of the project.
    text : str
        The person's key, or its keyed hash.
    ledger : ErasureLedger
        The ledger; its entry has the keyed hash and counts only, and is written first.
    own : PrivacyParams
        Section ``privacy`` of ``release.yaml``.
    action : str
        ``show`` or ``export``.
    linked : sequence of Copy, default=()
        What is held of the person elsewhere, under another name: telemetry.

    Returns
    -------
    PersonalData
        Without copies where nothing is held: that, too, is an answer (Art. 15(1)).

    Raises
    ------
    SignalboxError
        If the text is a keyed hash that nobody has, a file can't tell the person's rows from
        another's, or something can't be read.
    """
    project = project.resolve()
    params = load_params(project / PARAMS)
    subject = identify(project, params.data, text, secret_of(project))
    if subject is None:
        raise SignalboxError(f"no subject in the tables has the keyed hash {text}")
    probe = Probe(subject, params.data)
    with stores.opened(project) as (open_stores, closed):
        plan = search(project, probe, open_stores)
        require_one_key(project, subject, plan)
        copies = [
            *_of_sources(project, plan, probe),
            *_of_files(project, plan, probe),
            *_of_objects(plan, probe),
        ]
    copies += [*_of_git(project, plan.git, probe), *linked]
    held = PersonalData(
        subject=subject,
        copies=sorted(copies, key=lambda copy: (copy.place, copy.path)),
        searched=plan.searched,
        closed=closed,
        elsewhere=source.elsewhere(params.data),
        releases=run_refs.releases_holding(project, plan.holding, plan.seen),
        processing=_processing(project, params, own),
    )
    entry = {"action": action, "subject": subject.token, "rows": held.rows, "copies": len(copies)}
    ledger.append(KIND, PRODUCT, entry)
    return held


def _of_sources(project: Path, plan: Plan, probe: Probe) -> list[Copy]:
    copies = []
    for root, files in plan.sources.items():
        if not files:
            continue
        reading = source.read(stores.data_of(root, probe.data), root)
        assert reading is not None  # the search has read these files
        wanted = {file.path for file in files}
        first = 0
        for path, total in zip(reading.files, reading.rows, strict=True):
            if path in wanted:
                part = slice(first, first + total)
                mask = probe.mask(reading.subjects.iloc[part]).to_numpy(dtype=bool)
                rows = _records(reading.frame.iloc[part][mask])
                copies.append(Copy(SOURCE, shown(path, project), LINES, rows))
            first += total
    return copies


def _of_files(project: Path, plan: Plan, probe: Probe) -> list[Copy]:
    return [
        Copy(store_of(found.path, project), shown(found.path, project), found.hit.kind,
             rows_in(found.path.read_bytes(), found.hit.kind, probe))
        for found in plan.found
    ]  # fmt: skip


def _of_objects(plan: Plan, probe: Probe) -> list[Copy]:
    copies = []
    for store, item in plan.objects:
        with store.fs.open(item.path, "rb") as stream:
            rows = rows_in(stream.read(), item.hit.kind, probe)
        copies.append(Copy(store.name, store.shown(item.path), item.hit.kind, rows))
    return copies


def _of_git(project: Path, found: run_refs.Found, probe: Probe) -> list[Copy]:
    """List saved runs with the rows of their own objects, and the history with all others."""
    rows: dict[str, list[Row]] = {}
    wanted = dict.fromkeys(found.blobs)
    wanted |= dict.fromkeys(blob for run in (*found.runs, *found.words) for blob in run.blobs)
    for blob, content in git_contents(project, list(wanted)) if wanted else ():
        hit = probe.look(content)
        rows[blob] = rows_in(content, hit.kind, probe) if hit is not None else []
    copies = [
        Copy(run_refs.GIT_STORE, run.name, run.kind, [r for blob in run.blobs for r in rows[blob]])
        for run in (*found.runs, *found.words)
    ]
    of_runs = {blob for run in found.runs for blob in run.blobs}
    older = [row for blob in found.blobs if blob not in of_runs for row in rows[blob]]
    if found.history:
        copies.append(Copy(HISTORY, ", ".join(found.history), LINES, older))
    return copies


def rows_in(content: bytes, kind: str, probe: Probe) -> list[Row]:
    """Return the person's rows in a file.

    Parameters
    ----------
    content : bytes
        The file's bytes.
    kind : str
        How the person was found in it.
    probe : Probe
        Looks for the person; has searched the sources already.

    Returns
    -------
    list of dict of str to object
        Column → value; of a text that is no table, its lines under ``line``.
    """
    content = source.unpack(content)
    if kind == TABLE:
        return _in_parquet(content, probe)
    if kind != LINES:
        return []
    table = probe.text_table(content)
    if table is not None and table.rows.count:
        frame = parse_csv(table.source, probe.data, "text", content)
        return _records(frame[table.rows.mask])
    text = content.decode(getattr(probe.data.source, "encoding", "utf-8"), errors="replace")
    lines = (line.strip("\r\n") for line in text.splitlines(keepends=True))
    return [{"line": line} for line in lines if line in probe.lines]


def _in_parquet(content: bytes, probe: Probe) -> list[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(pa.BufferReader(content))
    rows = probe.rows(table)
    if rows is None:
        return []
    found: list[Row] = table.filter(pa.array(rows.mask)).to_pylist()
    return [{name: _plain(value) for name, value in row.items()} for row in found]


def _records(frame: "pd.DataFrame") -> list[Row]:
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """Value as JSON has it; what JSON has no form for as the text that labels use."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return as_label(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _processing(project: Path, params: Params, own: PrivacyParams) -> list[dict[str, str]]:
    """Say what the person is to be told of the processing, from the record of Art. 30."""
    evidence: dict[str, Evidence] = {}
    for path in sorted((project / EVIDENCE).glob("*.json")):
        try:
            evidence[path.stem] = read_evidence(path)
        except SignalboxError:
            continue
    return [
        {
            "article": item.article,
            "term": item.term,
            "text": str(item.text) if item.given else "not stated",
        }
        for item in record(params, own, evidence, shown_measures(project))
    ]
