"""Log sets with their truth, in the layouts of loghub and Loghub-2.0; scores of groups and texts.

A set is ``<System>_<size>.log_structured_corrected.csv``, else ``…_structured.csv``, else the bare
``….log``, each plain or packed (``.gz``), at most two folders below the one that is given. Truth is
the column ``EventTemplate``; a set without it is mined and not scored.

References
----------
GA (Zhu et al. 2019): share of lines whose predicted group has exactly the lines of their true one.
FGA (Jiang et al. 2024): F1 of groups found whole. PA (Dai et al. 2020): share of lines whose
template's text is the true one. FTA (Khan et al. 2022; Jiang et al. 2024): F1 of templates whose
lines are all of one true template and whose text is that one. Texts are compared after runs of
white space became one space and wildcards side by side became one.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

AGREED = 0.99
_HEADER = ("Level", "Label", "Timestamp")
_KINDS = ("_structured_corrected.csv", "_structured.csv", "")


@dataclass(frozen=True)
class LogSet:
    """Messages of one system; ``templates`` is empty where there is no truth.

    ``columns`` are the header's, by name (``Level``, ``Label``, ``Timestamp``), if there are any.
    """

    name: str
    content: list[str]
    templates: list[str]
    events: list[str]
    ids: list[str]
    raw: list[str]
    columns: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """How well groups and texts agree with the truth."""

    ga: float
    fga: float
    pa: float
    fta: float
    agreed: float
    pairs: float

    def rounded(self) -> dict[str, float]:
        """Return the figures by name, to four places."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


NAMES = ("ga", "fga", "pa", "fta", "agreed", "pairs")


def log_sets(data: Path) -> list[LogSet]:
    """Return all sets below a folder, by name."""
    files: dict[str, list[Path]] = defaultdict(list)
    for pattern in ("*.log*", "*/*.log*", "*/*/*.log*"):
        for path in sorted(data.glob(pattern)):
            files[path.name.split(".log")[0]].append(path)
    found = {stem: path for stem, paths in files.items() if (path := _best(stem, paths))}
    if not found:
        raise SystemExit(
            f"{data}: no <System>_<size>.log_structured.csv here or two folders below; see the "
            "README for where loghub and Loghub-2.0 are to be had"
        )
    systems = Counter(stem.rsplit("_", 1)[0] for stem in found)
    named = {}
    for stem, path in found.items():
        system, _, size = stem.rpartition("_")
        # The small set goes by its system's name, also where the full one lies beside it.
        short = bool(system) and (systems[system] == 1 or size == "2k")
        named[system if short else stem] = path
    return [read_set(name, path) for name, path in sorted(named.items())]


def _best(stem: str, paths: Iterable[Path]) -> Path | None:
    named = {path.name: path for path in paths}
    for kind in _KINDS:
        for packed in ("", ".gz"):
            name = f"{stem}.log{kind}{packed}"
            if name in named:
                return named[name]
    return None


def opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")


def read_set(name: str, path: Path) -> LogSet:
    """Read one set; only the messages are ever mined, the truth is for scores."""
    if ".csv" not in path.name:
        with opened(path) as file:
            raw = [line.rstrip("\r") for line in file.read().split("\n")]
        raw = raw[:-1] if raw and not raw[-1] else raw
        return LogSet(name, _messages(raw), [], [], _numbers(len(raw)), raw)
    csv.field_size_limit(1 << 24)
    with opened(path) as file:
        rows = list(csv.DictReader(file))
    if rows and "Content" not in rows[0]:
        raise SystemExit(f"{path}: no column Content; it has {', '.join(rows[0])}")
    truth = bool(rows) and "EventTemplate" in rows[0]
    log = path.with_name(path.name.split(".log")[0] + ".log")
    raw_text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return LogSet(
        name,
        [row["Content"] or "" for row in rows],
        [row["EventTemplate"] for row in rows] if truth else [],
        [row.get("EventId") or "" for row in rows] if truth else [],
        [row.get("LineId") or str(i) for i, row in enumerate(rows, start=1)],
        [line.rstrip("\r") for line in raw_text.split("\n")][: len(rows)],
        {n: [row[n] or "" for row in rows] for n in _HEADER if rows and n in rows[0]},
    )


def _messages(raw: list[str]) -> list[str]:
    """Lines without their headers, as ingest finds them; a line without a time stays whole."""
    from pipelines.aiops.log_parsing.lines import cleaned, messages_of

    found = messages_of(cleaned(raw))
    messages = list(raw)
    for at, body in zip(found.first.tolist(), found.body.to_pylist(), strict=True):
        messages[at] = body.split("\n")[0]
    return messages


def _numbers(count: int) -> list[str]:
    return [str(i) for i in range(1, count + 1)]


def plain(template: str) -> str:
    """Return a template's text as scores compare it."""
    return re.sub(r"(?:<\*>)+", "<*>", " ".join(template.split()))


def score(
    truth: Sequence[str], predicted: Sequence[Hashable], texts: Sequence[str] | None = None
) -> Score:
    """Score groups, and the texts of their lines if there are any."""
    true, found = _groups(truth), _groups(predicted)
    whole = {tuple(group) for group in true.values()} & {tuple(group) for group in found.values()}
    agreed = sum(_agreed(group, predicted, found) for group in true.values())
    pa = fta = 0.0
    if texts is not None:
        right = [plain(a) == plain(b) for a, b in zip(truth, texts, strict=True)]
        pa = sum(right) / len(truth)
        good = sum(
            len({truth[i] for i in group}) == 1 and right[group[0]] for group in found.values()
        )
        fta = 2 * good / (len(true) + len(found))
    both = _pairs(Counter(zip(truth, predicted, strict=True)).values())
    possible = _pairs(map(len, true.values())) + _pairs(map(len, found.values()))
    return Score(
        sum(map(len, whole)) / len(truth),
        2 * len(whole) / (len(true) + len(found)),
        pa,
        fta,
        agreed / len(truth),
        2 * both / possible if possible else 1.0,
    )


def _groups(labels: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, label in enumerate(labels):
        groups[label].append(i)
    return groups


def _agreed(
    group: list[int], predicted: Sequence[Hashable], found: dict[Hashable, list[int]]
) -> int:
    """Lines of a true group that are in a group which agrees with it to 99 %, both ways."""
    label, shared = Counter(predicted[i] for i in group).most_common(1)[0]
    return shared if shared >= AGREED * max(len(group), len(found[label])) else 0


def _pairs(sizes: Iterable[int]) -> int:
    return sum(n * (n - 1) // 2 for n in sizes)
