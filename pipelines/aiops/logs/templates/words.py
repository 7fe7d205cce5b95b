"""Which *words* vary: keys that differ in one word are one template if the evidence says so.

The operator only ever adds: a slot that is a variable stays one when more keys are seen, and the
result is its least fixpoint over a *set* of keys. So the groups do not depend on the order of the
lines nor on how often they came, and mining in batches with the keys kept equals mining at once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.aiops.logs.templates.variables import VARIABLE, collapsed, runs_of

_LETTER = "A-Za-z_\x80-\U0010ffff"
TOKEN = re.compile(rf"[{_LETTER}]+(?:[.'$@/+-][{_LETTER}]+)*|\x01|[^{_LETTER}\x01]")

_FUNCTION_WORDS = """
a an the is are was were be been has have had do does did will would can could may must not no
to of in on at by for from with without as and or but if then than that this it its into over
under after before because so any all some already yet still only
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words of grammar; never data, so a slot in which one stands is not a variable because of it."""

_NAMED = "user username account login owner group client host hostname server node peer domain"
NAMED = frozenset(_NAMED.split())
"""Nouns that a name follows, if a word of ``BEFORE_NAMED`` leads them: ``for user alice``."""

_BEFORE_NAMED = "for by of as from to with on at invalid illegal unknown"
BEFORE_NAMED = frozenset(_BEFORE_NAMED.split())
_PREPOSITIONS = "for by of from to with on at in via"
PREPOSITIONS = frozenset(_PREPOSITIONS.split())
QUOTES = frozenset("'\"`")

_HOLE = "\x02"
_Tokens = tuple[str, ...]
_Slot = tuple[int, _Tokens, _Tokens]


@dataclass(frozen=True)
class Evidence:
    """How much evidence makes a word a variable.

    Attributes
    ----------
    context : int
        Constant words that the keys must share besides the slot.
    values : int
        Different words in a slot that prove a variable when the context is ample; the poorer the
        context, the more are asked for (one more for each word that is missing to ``ample``).
    ample : int
        Constant words that count as an ample context.
    names : int
        Different words that prove a variable between two prepositions.
    sparse_values : int
        Different words for each of several slots that vary at once, so that keys never differ in
        one alone; what stays must be three words at least.
    first_values : int
        Different words for the first word of a message, which is mostly its subject or verb.
    """

    context: int = 2
    values: int = 4
    ample: int = 4
    names: int = 3
    sparse_values: int = 25
    first_values: int = 25


DEFAULT_EVIDENCE = Evidence()


def tokens_of(key: str) -> _Tokens:
    """Split a key into words, variables and single other characters.

    Parameters
    ----------
    key : str

    Returns
    -------
    tuple of str
        Joined again it is the key.
    """
    return tuple(TOKEN.findall(key))


def is_word(token: str) -> bool:
    """Return whether a token is a word or a variable, not a single other character.

    Parameters
    ----------
    token : str

    Returns
    -------
    bool
    """
    return token == VARIABLE or token[0].isalpha() or token[0] == "_"


def _is_constant_of_program(word: str) -> bool:
    # Inflected words (started, stopping) and words in capitals (GET, RUNNING) are what programmers
    # write for actions, states and enumerations; the published truths keep such lines apart.
    return word.endswith(("ed", "ing")) or (len(word) > 1 and word.isupper())


def _words_before(tokens: _Tokens) -> list[str]:
    return [token.lower() for token in tokens if token != " "]


def _follows_a_noun_of_names(before: _Tokens) -> bool:
    words = _words_before(before)
    return len(words) > 1 and words[-1] in NAMED and words[-2] in BEFORE_NAMED


def _between_prepositions(before: _Tokens, behind: _Tokens) -> bool:
    # English puts an article before a common noun there; what has none is a name (for root from).
    if before[-1:] != (" ",) or behind[:1] != (" ",):
        return False
    return {"".join(before[-2:-1]).lower(), "".join(behind[1:2]).lower()} <= PREPOSITIONS


def _in_quotes(before: _Tokens, behind: _Tokens) -> bool:
    return behind[:1] == before[-1:] and behind[:1] != () and behind[0] in QUOTES


def varies(slot: _Slot, values: Iterable[str], evidence: Evidence = DEFAULT_EVIDENCE) -> bool:
    """Decide whether a slot is a variable, given the different words seen in it.

    Parameters
    ----------
    slot : tuple of (int, tuple of str, tuple of str)
        Position, tokens before, tokens behind.
    values : iterable of str
        Words seen there, with the rest of the key the same; ``VARIABLE`` if data was seen.
    evidence : Evidence
        How much is asked for.

    Returns
    -------
    bool
    """
    _, before, behind = slot
    constants = [t for t in (*before, *behind) if t != VARIABLE and is_word(t)]
    seen = set(values)
    if len(seen) < 2 or len(constants) < evidence.context:
        return False
    first = not any(is_word(t) for t in before)
    if VARIABLE in seen and not first:
        return True
    if all(map(_is_constant_of_program, seen)):
        return False
    if _follows_a_noun_of_names(before) or _in_quotes(before, behind):
        return True
    if _between_prepositions(before, behind) and len(seen) >= evidence.names:
        return True
    asked = evidence.first_values if first else evidence.values
    return len(seen) >= asked + max(0, evidence.ample - len(constants))


def frame_of(tokens: _Tokens) -> _Tokens:
    """Return what surely isn't data in a key, with a hole for each other word.

    Grammar, nouns that names follow, inflected words, capitals and a message's first word stay.

    Parameters
    ----------
    tokens : tuple of str
        As `tokens_of` returns them.

    Returns
    -------
    tuple of str
        As long as `tokens`.
    """
    frame = list(tokens)
    before = ""
    for i, token in enumerate(tokens):
        named = before in NAMED and token.lower() not in FUNCTION_WORDS
        if before and token != VARIABLE and is_word(token) and (named or not _stays(token)):
            frame[i] = _HOLE
        if token != " ":
            before = token.lower()
    return tuple(frame)


def _stays(word: str) -> bool:
    plain = word.lower()
    return plain in FUNCTION_WORDS or plain in NAMED or _is_constant_of_program(word)


class _Groups:
    """Union-find over numbered keys, plus the slots in which keys differ.

    A slot is known by a 64-bit sum over the tokens that stay, so that a long key costs memory in
    proportion to its length and not to its square; a slot seen in one key only is a bare number.
    """

    def __init__(self, keys: Sequence[str], evidence: Evidence) -> None:
        self.evidence = evidence
        self.tokens: list[_Tokens] = []
        self.number: dict[_Tokens, int] = {}
        self.parent: list[int] = []
        self.slots: dict[int, int | dict[str, int]] = {}
        self.varied: set[int] = set()
        self.touched: dict[int, int] = {}
        self.frames: defaultdict[_Tokens, list[int]] = defaultdict(list)
        self.new_in_frames: set[_Tokens] = set()
        for key in keys:
            self.add(tokens_of(key))

    def add(self, tokens: _Tokens) -> int:
        if tokens in self.number:
            return self.number[tokens]
        number = self.number[tokens] = len(self.tokens)
        self.tokens.append(tokens)
        self.parent.append(number)
        self._frame(tokens, number)
        parts = [hash((token, i)) for i, token in enumerate(tokens)]
        whole = sum(parts)
        for i, token in enumerate(tokens):
            if is_word(token) and token.lower() not in FUNCTION_WORDS:
                self._see(hash((whole - parts[i], i, len(tokens))), i, token, number)
        return number

    def _frame(self, tokens: _Tokens, number: int) -> None:
        frame = frame_of(tokens)
        kept = sum(is_word(t) and t != VARIABLE for t in frame)
        if frame.count(_HOLE) > 1 and kept >= 3:
            self.frames[frame].append(number)
            self.new_in_frames.add(frame)

    def _judge_frame(self, frame: _Tokens) -> None:
        members = [self.tokens[number] for number in self.frames[frame]]
        if len(members) < self.evidence.sparse_values:
            return
        holes = [i for i, token in enumerate(frame) if token == _HOLE]
        wide = {i for i in holes if len({m[i] for m in members}) >= self.evidence.sparse_values}
        if len(wide) < 2:
            return
        for tokens in members:
            general = tuple(VARIABLE if i in wide else t for i, t in enumerate(tokens))
            self.unite(self.number[tokens], self._add_general(general))

    def _add_general(self, general: _Tokens) -> int:
        # A word that became data may have made a list longer.
        number = self.add(general)
        self.unite(number, self.add(tokens_of(collapsed("".join(general)))))
        return number

    def _see(self, slot: int, position: int, token: str, number: int) -> None:
        seen = self.slots.get(slot)
        if seen is None:
            self.slots[slot] = number
            return
        if isinstance(seen, int):
            seen = self.slots[slot] = {self.tokens[seen][position]: seen}
        seen[token] = number
        self.touched[slot] = position

    def root(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    def unite(self, left: int, right: int) -> None:
        a, b = self.root(left), self.root(right)
        self.parent[max(a, b)] = min(a, b)

    def settle(self) -> None:
        while self.touched or self.new_in_frames:
            touched, self.touched = self.touched, {}
            for slot, position in touched.items():
                self._judge(slot, position)
            frames, self.new_in_frames = self.new_in_frames, set()
            for frame in frames:
                self._judge_frame(frame)

    def _judge(self, slot: int, position: int) -> None:
        values = self.slots[slot]
        if isinstance(values, int):
            return
        member = self.tokens[next(iter(values.values()))]
        before, behind = member[:position], member[position + 1 :]
        if slot in self.varied or varies((position, before, behind), values, self.evidence):
            self.varied.add(slot)
            number = self._add_general((*before, VARIABLE, *behind))
            for member_number in tuple(values.values()):
                self.unite(member_number, number)


def _common(members: Sequence[_Tokens]) -> str:
    shortest = min(map(len, members))
    columns = zip(*(m for m in members if len(m) == shortest), strict=True)
    return "".join(c[0] if len(set(c)) == 1 else VARIABLE for c in columns)


def spread(general: str, members: Iterable[str]) -> str:
    """Return a general key with the lists of data that all members have alike.

    Parameters
    ----------
    general : str
        Collapsed key of a group.
    members : iterable of str
        Keys of the group, not collapsed.

    Returns
    -------
    str
    """
    tokens = tokens_of(general)
    seen: list[set[str]] = [set() for _ in tokens]
    for member in members:
        own = tokens_of(collapsed(member))
        if len(own) != len(tokens):
            return general
        runs = iter(runs_of(member))
        for values, token in zip(seen, own, strict=True):
            values.add(next(runs) if token == VARIABLE else VARIABLE)
    alike = (
        next(iter(v)) if t == VARIABLE and len(v) == 1 else t
        for t, v in zip(tokens, seen, strict=True)
    )
    return "".join(alike)


def generalise(keys: Iterable[str], evidence: Evidence = DEFAULT_EVIDENCE) -> dict[str, str]:
    """Map each key to the key of its group.

    Parameters
    ----------
    keys : iterable of str
        Different collapsed keys, in any order
        (:func:`~pipelines.aiops.logs.templates.variables.collapsed`).
    evidence : Evidence
        How much evidence makes a word a variable.

    Returns
    -------
    dict of str to str
        For each key the general key: the members' common tokens, ``VARIABLE`` where they differ.
    """
    known = sorted(set(keys))
    groups = _Groups(known, evidence)
    groups.settle()
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number in range(len(groups.tokens)):
        members[groups.root(number)].append(number)
    general = {root: _common([groups.tokens[i] for i in m]) for root, m in members.items()}
    return {key: general[groups.root(i)] for i, key in enumerate(known)}
