"""Template mining: lines in, a template for each line out. One configuration for all systems.

A shape is a line's first row, cut at a bound, with every word that holds a digit replaced by one
mark. Nothing in Python runs per line.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.logs.templates.store import Template, TemplateStore, registered
from pipelines.aiops.logs.templates.variables import (
    ASSIGNED_NAME,
    MARK,
    NAME_WITH_FIGURE,
    VARIABLE,
    bare,
    coarse,
    joined,
    key_of,
    kind_of_all,
    values_in,
)
from pipelines.aiops.logs.templates.words import DEFAULT_EVIDENCE, Evidence, generalise, spread
from pipelines.core.arrays import as_array, as_indices, numbers_of

_CHUNK = 65_536
_DATA_WORD = rf"\b({NAME_WITH_FIGURE}\b|{ASSIGNED_NAME})|[0-9A-Za-z_]*[0-9][0-9A-Za-z_]*"


@dataclass(frozen=True)
class Shapes:
    """Distinct shapes of some lines.

    Attributes
    ----------
    codes : ndarray of int32, shape (lines,)
        For each line the position of its shape in `shapes`.
    shapes : list of str, length (shapes,)
        Distinct shapes, sorted.
    counts : ndarray of int64, shape (shapes,)
        Lines of each shape.
    """

    codes: NDArray[np.int32]
    shapes: list[str]
    counts: NDArray[np.int64]


def first_rows(lines: Any, max_chars: int) -> Any:
    """Cut each line at its first line break and at a length.

    What follows the first row of a message is a stack trace or a dump, whose depth varies.

    Parameters
    ----------
    lines : pyarrow string array, shape (lines,)
    max_chars : int
        Characters that are kept.

    Returns
    -------
    pyarrow string array, shape (lines,)
    """
    import pyarrow.compute as pc

    if pc.any(pc.match_substring(lines, "\n")).as_py():
        lines = pc.replace_substring_regex(lines, r"(?s)\r?\n.*", "")
    longest = pc.max(pc.binary_length(lines)).as_py() or 0
    if longest > max_chars:
        lines = pc.utf8_slice_codeunits(lines, 0, max_chars)
    return lines


def _encode(lines: Any, max_chars: int) -> Any:
    import pyarrow.compute as pc

    rows = first_rows(lines, max_chars)
    return pc.replace_substring_regex(rows, _DATA_WORD, rf"\1{MARK}").dictionary_encode()


def _chunks(lines: Any) -> Iterator[Any]:
    return (lines.slice(start, _CHUNK) for start in range(0, len(lines), _CHUNK))


def shapes_of(lines: Any, *, max_chars: int, threads: int | None = None) -> Shapes:
    """Reduce lines to their distinct shapes.

    Parameters
    ----------
    lines : pyarrow.LargeStringArray, shape (lines,)
        Result of :func:`as_array`.
    max_chars : int
        Characters of a line that are looked at.
    threads : int, optional
        How many run at once; by default as many as there are cores. No effect on the result.

    Returns
    -------
    Shapes
    """
    chunks = list(_chunks(lines))
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        encoded = list(pool.map(lambda chunk: _encode(chunk, max_chars), chunks))
    # Sorted over all chunks: codes don't depend on how lines were split.
    dictionaries = [chunk.dictionary.to_pylist() for chunk in encoded]
    shapes = sorted(set().union(*dictionaries))
    number = {shape: i for i, shape in enumerate(shapes)}
    codes = np.empty(len(lines), np.int32)
    start = 0
    for chunk, words in zip(encoded, dictionaries, strict=True):
        own = np.fromiter((number[word] for word in words), np.int32, len(words))
        codes[start : start + len(chunk)] = own[numbers_of(chunk.indices)]
        start += len(chunk)
    return Shapes(codes, shapes, np.bincount(codes, minlength=len(shapes)))


OVERFLOW_KEY = VARIABLE
"""Key of the template that takes the rarest lines when there are too many shapes or keys."""


@dataclass(frozen=True)
class MinerSettings:
    """Bounds of the miner; the defaults are meant for every system.

    Attributes
    ----------
    max_chars : int
        Characters of a line that are looked at.
    max_shapes : int
        Distinct shapes looked at in one run; the rarest beyond it go to one template ``<*>``.
    max_keys : int
        Keys kept in the store; no new template is made beyond it.
    max_kinds : int
        Most frequent templates of a run whose variables get kinds; others have ``text``.
    sample : int
        Lines of each template from which the kinds of its variables are determined.
    evidence : Evidence
        How much evidence makes a word a variable.
    left_out : frozenset of str
        Names of rules not to use; for benchmarks, that ask what each rule is worth.
    """

    max_chars: int = 2_000
    max_shapes: int = 100_000
    max_keys: int = 200_000
    max_kinds: int = 5_000
    sample: int = 32
    evidence: Evidence = DEFAULT_EVIDENCE
    left_out: frozenset[str] = frozenset()


DEFAULT_SETTINGS = MinerSettings()
_ONE_IN_16 = np.uint32(2**28)


@dataclass(frozen=True)
class Mined:
    """What was mined.

    Attributes
    ----------
    codes : ndarray of int32, shape (lines,)
        For each line the position of its template in `templates`.
    templates : list of Template
        Templates that occur in these lines, sorted by id, with the counts of this run.
    store : TemplateStore
        What to hand to the next run: everything known before, and these.
    overflow : int
        Lines that were not looked at because there were too many shapes.
    """

    codes: NDArray[np.int32]
    templates: list[Template]
    store: TemplateStore
    overflow: int
    _lines: Any = field(repr=False)
    _max_chars: int = field(repr=False)

    @property
    def ids(self) -> list[str]:
        """Template id of each line."""
        names = [t.id for t in self.templates]
        return [names[code] for code in self.codes.tolist()]

    def rows(self, template_id: str) -> NDArray[np.intp]:
        """Return positions of a template's lines.

        Parameters
        ----------
        template_id : str
            An id that it has or had.

        Returns
        -------
        ndarray of intp, shape (lines of the template,)
            Ascending; empty if none of the lines is of it.
        """
        wanted = self.store.current(template_id)
        code = next((i for i, t in enumerate(self.templates) if t.id == wanted), -1)
        return np.flatnonzero(self.codes == code)

    def variables(self, template_id: str) -> list[list[str]]:
        """Return the values of a template's variables.

        Parameters
        ----------
        template_id : str
            An id that it has or had.

        Returns
        -------
        list of list of str, shape (slots, lines of the template)
            Values are in the order of :meth:`rows`.
        """
        rows = self.rows(template_id)
        template = self.store.templates[self.store.current(template_id)]
        return values_in(
            first_rows(self._lines.take(as_indices(rows)), self._max_chars), template.key
        )


def mine(
    lines: Any, known: TemplateStore | None = None, settings: MinerSettings = DEFAULT_SETTINGS
) -> Mined:
    """Find the template of each line.

    The groups do not depend on the order of the lines nor on how often each came. Mining in batches
    (each with the store of the one before) ends with the groups of mining at once, as long as the
    bounds of ``settings`` are not reached (lines of an early batch may have got an id that became
    an alias since: :meth:`TemplateStore.current`).

    Parameters
    ----------
    lines : sequence of str or pyarrow array, shape (lines,)
        Messages without their header. Only a message's first row is looked at.
    known : TemplateStore, optional
        Templates of earlier runs.
    settings : MinerSettings
        Bounds.

    Returns
    -------
    Mined
        Templates, codes, and the store for the next run.
    """
    known = known or TemplateStore()
    lines = as_array(lines)
    shapes = shapes_of(lines, max_chars=settings.max_chars)
    looked_at = _kept(shapes.counts, shapes.shapes, settings.max_shapes)
    keys = [
        key_of(shape, settings.left_out) if keep else OVERFLOW_KEY
        for shape, keep in zip(shapes.shapes, looked_at, strict=True)
    ]
    keys = _bounded(keys, shapes.counts, known, settings.max_keys)
    store = registered(known, *_groups({*keys, *known.keys}, settings))
    codes, ids = _numbered([store.keys[key] for key in keys])
    per_line = codes[shapes.codes] if len(codes) else np.zeros(0, np.int32)
    templates = _counted(ids, per_line, store)
    templates = _with_kinds(templates, per_line, lines, settings)
    overflow = int(shapes.counts[~looked_at].sum()) if len(keys) else 0
    grown = _remembered(store, templates)
    return Mined(per_line, templates, grown, overflow, lines, settings.max_chars)


def _kept(counts: NDArray[np.int64], shapes: list[str], most: int) -> NDArray[np.bool_]:
    keep = np.ones(len(shapes), bool)
    if len(shapes) > most:
        # Shapes are sorted, so a stable sort by count breaks ties by content.
        keep[np.argsort(-counts, kind="stable")[most:]] = False
    return keep


def _bounded(
    keys: list[str], counts: NDArray[np.int64], known: TemplateStore, most: int
) -> list[str]:
    room = most - len(known.keys)
    weights: defaultdict[str, int] = defaultdict(int)
    for key, count in zip(keys, counts.tolist(), strict=True):
        if key not in known.keys:
            weights[key] += count
    if len(weights) <= room:
        return keys
    dropped = set(sorted(weights, key=lambda key: (-weights[key], key))[max(room, 0) :])
    return [OVERFLOW_KEY if key in dropped else key for key in keys]


def _groups(keys: set[str], settings: MinerSettings) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Group keys by their general key, and say what is shown of it."""
    short = {key: coarse(key)[0] for key in keys}
    general = generalise(short.values(), settings.evidence)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        members[general[short[key]]].append(key)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    shown: dict[str, str] = {}
    for whole, own in members.items():
        text = spread(whole, own)
        groups[bare(text)] += own
        shown[bare(text)] = text
    return groups, shown


def _numbered(names: list[str]) -> tuple[NDArray[np.int32], list[str]]:
    ids = sorted(set(names))
    number = {name: i for i, name in enumerate(ids)}
    return np.fromiter((number[name] for name in names), np.int32, len(names)), ids


def _counted(ids: list[str], codes: NDArray[np.int32], store: TemplateStore) -> list[Template]:
    counts = np.bincount(codes, minlength=len(ids)).tolist()
    return [replace(store.templates[i], count=n) for i, n in zip(ids, counts, strict=True)]


def _with_kinds(
    templates: list[Template], codes: NDArray[np.int32], lines: Any, settings: MinerSettings
) -> list[Template]:
    samples = _samples(codes, len(templates), lines, settings.sample)
    # Taken at once: a call of Arrow's for each template would cost more than what it does.
    ends = np.cumsum([len(rows) for rows in samples]).tolist()
    every = np.concatenate([np.zeros(0, np.intp), *samples])
    texts = first_rows(lines.take(as_indices(every)), settings.max_chars)
    frequent = sorted(templates, key=lambda t: (-t.count, t.id))[: settings.max_kinds]
    looked_at = {t.id for t in frequent if VARIABLE in t.key}
    typed = []
    for template, start, end in zip(templates, [0, *ends], ends, strict=False):
        if template.id not in looked_at:
            slots = template.key.count(VARIABLE)
            kinds = list(template.kinds) if len(template.kinds) == slots else ["text"] * slots
            typed.append(replace(template, kinds=tuple(kinds)))
            continue
        columns = values_in(texts.slice(start, end - start), template.key)
        kinds = [kind_of_all(set(values)) for values in columns]
        kinds += ["text"] * (template.key.count(VARIABLE) - len(kinds))
        if len(template.kinds) == len(kinds):
            kinds = [joined(*pair) for pair in zip(template.kinds, kinds, strict=True)]
        typed.append(replace(template, kinds=tuple(kinds)))
    return typed


def _samples(
    codes: NDArray[np.int32], templates: int, lines: Any, size: int
) -> list[NDArray[np.intp]]:
    mixed = _mixed(lines)
    counts = np.bincount(codes, minlength=templates)
    # Of frequent templates one line in 16 is enough to draw from; that saves sorting them all.
    candidates = np.flatnonzero((mixed < _ONE_IN_16) | (counts[codes] < 64 * size))
    own, mixed = codes[candidates], mixed[candidates]
    # By template, then by hash: the first of each are a draw that ignores the lines' order.
    order = np.lexsort((mixed, own))
    edges = np.searchsorted(own[order], np.arange(templates + 1)).tolist()
    return [candidates[order[a : min(a + size, b)]] for a, b in pairwise(edges)]


def _mixed(lines: Any) -> NDArray[np.uint32]:
    """Return a number a line from its length and its last bytes.

    By it a sample is drawn that doesn't depend on the order of lines (but for lines that agree in
    both, which are as good as one another).
    """
    _, offsets, data = lines.buffers()
    if data is None or not data.size:
        return np.zeros(len(lines), np.uint32)
    # Arrow's own buffers, without a copy: 64-bit offsets of shape (lines + 1,) and bytes.
    edges = np.frombuffer(offsets, np.int64)[lines.offset : lines.offset + len(lines) + 1]
    content = np.frombuffer(data, np.uint8)
    mixed = np.diff(edges).astype(np.uint32)
    for back in range(1, 5):
        at = np.clip(edges[1:] - back, 0, len(content) - 1)
        mixed = (mixed ^ content[at]) * np.uint32(0x9E3779B1)
        mixed ^= mixed >> np.uint32(15)
    return mixed


def _remembered(store: TemplateStore, templates: list[Template]) -> TemplateStore:
    grown = dict(store.templates)
    for template in templates:
        before = grown[template.id]
        grown[template.id] = replace(template, count=before.count + template.count)
    return replace(store, templates=grown)
