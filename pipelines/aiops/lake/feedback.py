"""What people say about incidents, findings and rules: right, wrong cause, noise, or harmful.

The store is ``<lake>/feedback/YYYY-MM-DD.jsonl``, an answer a line, never changed. It names people,
so it is kept and erased like the payloads of a lake (`pipelines.aiops.privacy.stores`). Stage
``alert_history`` freezes what was said of each subject, in numbers and without names, into
`FROZEN`: that is what mining and figures read.

An answer counts once a person and subject, the last one. A subject counts once, however many
people judged it, by what most of them say.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.aiops.lake.days import LOCK
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure
from pipelines.core.files import append, read_json, write_json
from pipelines.core.locks import exclusive_lock
from pipelines.core.settings import validate_as
from pipelines.core.stats import normal_quantile, wilson_interval

FOLDER = "feedback"
"""Of a lake."""
FROZEN = "feedback.json"
"""In a frozen history; not there where nobody has said anything."""
FORMAT = "signalbox.feedback/1"
WAIT_SECONDS = 10
LEVEL = 0.95
CAUSE = "likeliest cause"
"""What is judged, beside detectors, where a person says which cause was wrong."""

About = Literal["incident", "finding", "rule"]
Verdict = Literal["right", "wrong_cause", "noise", "harmful"]
VERDICTS: Mapping[About, tuple[Verdict, ...]] = {
    "incident": ("right", "wrong_cause", "noise"),
    "finding": ("right", "noise"),
    "rule": ("right", "harmful"),
}
"""What can be said of what: of a rule, that it held noise, or an alert that should have paged."""

_Text = Annotated[str, Field(max_length=200)]


class Answer(BaseModel):
    """What a person said.

    Attributes
    ----------
    at : datetime
        When, with a time zone.
    by : str
        Who: the name with which he is logged in.
    about, subject : str
        Of what: its kind and id.
    verdict : str
        One of `VERDICTS`.
    cause : str
        The service that was the cause, where another one was suspected.
    note : str
        A sentence in his own words.
    title, window : str
        What the subject was called, and the window (or release) that it is of.
    detectors : tuple of str
        Detectors that found it: signal and kind, or the family of a rule.
    names : tuple of str
        Alert names that it is about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: datetime
    by: Annotated[str, Field(min_length=1, max_length=200)]
    about: About
    subject: Annotated[str, Field(min_length=1, max_length=200)]
    verdict: Verdict
    cause: _Text = ""
    note: Annotated[str, Field(max_length=500)] = ""
    title: _Text = ""
    window: _Text = ""
    detectors: tuple[_Text, ...] = ()
    names: tuple[_Text, ...] = ()

    @model_validator(mode="after")
    def _can_be_said(self) -> Self:
        if self.verdict not in VERDICTS[self.about]:
            allowed = ", ".join(VERDICTS[self.about])
            raise ValueError(f"of a {self.about} one says {allowed}, not {self.verdict}")
        if self.cause and self.verdict != "wrong_cause":
            raise ValueError("a cause belongs to the verdict wrong_cause")
        if self.at.tzinfo is None:
            raise ValueError("at needs a time zone")
        return self


class Judged(BaseModel):
    """What was said of a subject, without names: numbers of people by verdict.

    Attributes
    ----------
    last : date
        UTC day of the last answer.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    about: About
    subject: str
    last: date
    right: int = 0
    wrong_cause: int = 0
    noise: int = 0
    harmful: int = 0
    detectors: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether most say that there was something; a tie doesn't count for it."""
        if self.about == "rule":
            return self.right > self.harmful
        return self.right + self.wrong_cause > self.noise


class Precision(BaseModel):
    """Share of what a detector found that people call right, with Wilson's interval.

    Attributes
    ----------
    detector : str
        Signal and kind; `CAUSE`; empty for all detectors.
    week : date or None
        Monday of the week (UTC) of the last answer about each; None: all.
    right, judged : int
        Subjects.
    low, high : float
        Bounds at `LEVEL`.
    """

    model_config = ConfigDict(frozen=True)

    detector: str
    week: date | None
    right: int
    judged: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share that is right."""
        return self.right / self.judged


def store_of(lake: Path) -> Path:
    """Return the folder of a lake's answers."""
    return lake / FOLDER


def add(lake: Path, answer: Answer) -> None:
    """Add an answer: on the disk when this returns, or not there at all.

    Parameters
    ----------
    lake : Path
        Folder of the lake; made if missing.
    answer : Answer
        What was said.

    Raises
    ------
    SignalboxError
        If another writer holds the store for too long.
    OSError
        If it can't be written.
    """
    folder = store_of(lake)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{answer.at.astimezone(UTC).date().isoformat()}.jsonl"
    document = {"format": FORMAT, **answer.model_dump(mode="json", exclude_defaults=True)}
    line = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    with _writing(folder):
        # What a killed writer left of a line stays a line of its own.
        torn = path.is_file() and path.stat().st_size and path.read_bytes()[-1:] != b"\n"
        append(path, ("\n" if torn else "").encode() + line.encode())


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Hold the lock that an erasure holds as well."""

    def busy(holder: str) -> SignalboxError:
        return SignalboxError(f"{folder}: process {holder} writes there; say it again in a moment")

    with exclusive_lock(folder / LOCK, busy, wait_seconds=WAIT_SECONDS):
        yield


def read_answers(lake: Path) -> tuple[list[Answer], list[str]]:
    """Read all answers of a lake.

    Parameters
    ----------
    lake : Path
        Folder of the lake; one without answers is fine.

    Returns
    -------
    answers : list of Answer
        In order of time.
    unreadable : list of str
        File and line of what is no answer.
    """
    answers, unreadable = [], []
    for path in sorted(store_of(lake).glob("[!.]*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if not line.strip():
                continue
            try:
                document = json.loads(line)
                if document.pop("format", None) != FORMAT:
                    raise ValueError("another format")
                answers.append(Answer.model_validate(document))
            except (ValueError, ValidationError, AttributeError):
                unreadable.append(f"{FOLDER}/{path.name}:{number}")
    return sorted(answers, key=lambda answer: answer.at), unreadable


def last_answers(answers: Iterable[Answer]) -> list[Answer]:
    """Keep of each person the last answer about each subject, in order of time."""
    found: dict[tuple[str, str, str], Answer] = {}
    for answer in sorted(answers, key=lambda one: one.at):
        key = (answer.by, answer.about, answer.subject)
        found.pop(key, None)
        found[key] = answer
    return list(found.values())


def weigh(answers: Iterable[Answer]) -> list[Judged]:
    """Count what was said of each subject.

    Parameters
    ----------
    answers : iterable of Answer
        All of them.

    Returns
    -------
    list of Judged
        By kind and id.
    """
    of: dict[tuple[About, str], list[Answer]] = {}
    for answer in last_answers(answers):
        of.setdefault((answer.about, answer.subject), []).append(answer)
    return [
        Judged(
            about=about,
            subject=subject,
            last=said[-1].at.astimezone(UTC).date(),
            detectors=tuple(sorted({name for answer in said for name in answer.detectors})),
            names=tuple(sorted({name for answer in said for name in answer.names})),
            **{v: sum(a.verdict == v for a in said) for v in VERDICTS[about]},
        )
        for (about, subject), said in sorted(of.items())
    ]


def precision(judged: Sequence[Judged], *, weekly: bool = False) -> list[Precision]:
    """Say how much of what each detector found is right.

    Parameters
    ----------
    judged : sequence of Judged
        Incidents and findings count, rules don't.
    weekly : bool, default False
        A row a week as well.

    Returns
    -------
    list of Precision
        All detectors first, then each by name; weeks in order.
    """
    counts: dict[tuple[str, date | None], list[int]] = {}

    def count(detector: str, day: date, right: bool) -> None:
        weeks = (None, day - timedelta(days=day.weekday())) if weekly else (None,)
        for week in weeks:
            pair = counts.setdefault((detector, week), [0, 0])
            pair[0] += right
            pair[1] += 1

    for subject in judged:
        if subject.about == "rule":
            continue
        for detector in ("", *subject.detectors):
            count(detector, subject.last, subject.is_right)
        if subject.about == "incident" and subject.right + subject.wrong_cause:
            count(CAUSE, subject.last, subject.right > subject.wrong_cause)
    z = normal_quantile(LEVEL)
    found = []
    for (detector, week), (right, n) in counts.items():
        low, high = wilson_interval(right / n, n, z)
        found.append(
            Precision(
                detector=detector, week=week, right=right, judged=n,
                low=round(float(low), 6), high=round(float(high), 6),
            )
        )  # fmt: skip
    return sorted(found, key=lambda row: (row.detector, row.week or date.min))


def figure(judged: Sequence[Judged], stage: str) -> Figure:
    """Return the share of judged findings and incidents that is right, as evidence."""
    (row,) = [row for row in precision(judged) if not row.detector] or (None,)
    return Figure(
        id=f"{stage}.judged_right",
        label="Share of judged findings and incidents that people call right",
        value=round(row.share, 6) if row else None,
        low=row.low if row else None,
        high=row.high if row else None,
        level=LEVEL if row else None,
        missing="" if row else "nobody has judged a finding or an incident in this lake",
        method="people's last answers, a subject counts once; Wilson. Whoever judges chooses what "
        "to judge, so it needn't hold for the rest",
        n=row.judged if row else 0,
        unit="share",
    )


def harmful_names(judged: Iterable[Judged]) -> list[str]:
    """Name the alerts that no rule holds: of rules that held what should have paged.

    Parameters
    ----------
    judged : iterable of Judged
        What was said.

    Returns
    -------
    list of str
        Alert names of rules that at least as many people call harmful as right: that a page is
        sent costs less than an incident that nobody hears of. Nothing is ever held because
        somebody calls it noise.
    """
    return sorted(
        {
            name
            for subject in judged
            if subject.about == "rule" and subject.harmful and not subject.is_right
            for name in subject.names
        }
    )


def freeze(lake: Path, folder: Path) -> list[Judged]:
    """Write what was said into a frozen history, without names; nothing where nobody spoke.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    folder : Path
        Of the history that is being frozen.

    Returns
    -------
    list of Judged
    """
    answers, _ = read_answers(lake)
    judged = weigh(answers)
    if judged:
        write_json(folder / FROZEN, [subject.model_dump(mode="json") for subject in judged])
    return judged


def read_frozen(history: Path) -> list[Judged]:
    """Read what `freeze` wrote; empty where nobody spoke.

    Raises
    ------
    SignalboxError
        If the file has another form.
    """
    path = history / FROZEN
    if not path.is_file():
        return []
    return validate_as(list[Judged], read_json(path), f"{path}: ", "run alert_history anew")
