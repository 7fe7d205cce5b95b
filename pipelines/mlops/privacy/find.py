"""Find a subject's key by what is known about the person."""

from pathlib import Path

from pipelines.base.artifacts import PARAMS
from pipelines.base.errors import SignalboxError
from pipelines.base.params import load_params
from pipelines.base.tables import SUBJECT
from pipelines.mlops.columns import as_label
from pipelines.mlops.privacy.source import subjects


def find(project: Path, wanted: dict[str, str]) -> dict[str, int]:
    """Subjects whose rows in the local source have all the wanted values.

    Parameters
    ----------
    wanted
        Column → value, as in the ingested table; of the subject's key, as written.

    Returns
    -------
    dict
        Subject → number of its rows that match.

    Raises
    ------
    SignalboxError
        If there is no such column.
    """
    frame = subjects(load_params(project / PARAMS).data, project)
    for name, value in wanted.items():
        if name not in frame.columns:
            raise SignalboxError(
                f"--find: no column {name!r}; there are {', '.join(map(str, frame.columns))}"
            )
        column = frame[name].map(as_label, na_action="ignore").astype("str")
        frame = frame[column == as_label(value)]
    counts = frame[SUBJECT].value_counts()
    return {str(subject): int(counts[subject]) for subject in sorted(counts.index)}


def parse(text: str) -> dict[str, str]:
    """Read ``column=value,column=value``.

    Raises
    ------
    SignalboxError
        If a part has no ``=``.
    """
    wanted = {}
    for part in filter(None, text.split(",")):
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise SignalboxError(f"--find: {part!r} is not column=value")
        wanted[name.strip()] = value.strip()
    if not wanted:
        raise SignalboxError("--find: give at least one column=value")
    return wanted
