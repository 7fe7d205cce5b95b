"""Which *words* vary: keys that differ in words are one template if the evidence says so.

The operator only ever adds: a slot that is a variable stays one when more keys are seen, and the
result is its least fixpoint over a *set* of keys. So the groups do not depend on the order of the
lines nor on how often they came, and mining in batches with the keys kept equals mining at once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipelines.aiops.logs.templates.variables import VARIABLE, coarse

_LETTER = "A-Za-z_\x80-\U0010ffff"
TOKEN = re.compile(
    rf"[{_LETTER}][{_LETTER}0-9]*(?:[.'$@/+-]{{1,2}}[{_LETTER}][{_LETTER}0-9]*)*|\x01|[^{_LETTER}\x01]"
)
_IDENTIFIER = re.compile(r"[._$@/0-9]|[a-z][A-Z]")
_NAMES_WHAT_FOLLOWS = frozenset(":=(")
_ENCLOSE = frozenset(("()", "[]", "{}", "''", '""', "``"))

_FUNCTION_WORDS = """
a an the is are was were be been has have had do does did will would can could may must not no
to of in on at by for from with without as and or but if then than that this it its into over
under after before because so any all some already yet still only
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words of grammar; never data, so a slot in which one stands is not a variable because of it."""

_HOLE = "\x02"
_Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """How many different words make a slot a variable.

    Attributes
    ----------
    words : int
        With three constant words or more beside it.
    words_beside_many, words_beside_two, words_beside_one : int
        With five or more, with two, with one.
    identifiers : int
        Different identifiers (``ns.Class``, ``snake_case``, ``camelCase``, ``eth0``), beside two
        constant words or more.
    enclosed : int
        Different words alone in quotes or brackets, beside two constant words or more.
    known : int
        Different words that all are values elsewhere.
    proof : int
        Different words in a slot that make them known as values elsewhere.
    """

    words: int = 4
    words_beside_many: int = 3
    words_beside_two: int = 5
    words_beside_one: int = 8
    identifiers: int = 2
    enclosed: int = 2
    known: int = 2
    proof: int = 5


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


@lru_cache(maxsize=65_536)
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


@lru_cache(maxsize=65_536)
def is_content_word(token: str) -> bool:
    """Return whether a token tells what a message is about: no variable, no word of grammar."""
    return token != VARIABLE and is_word(token) and token.lower() not in FUNCTION_WORDS


@lru_cache(maxsize=65_536)
def is_identifier(token: str) -> bool:
    """Return whether a word has the form of a name that people give to things in a computer."""
    return _IDENTIFIER.search(token) is not None and not token.isupper()


def says_what_happened(word: str) -> bool:
    """Return whether a word is inflected (started, stopping) or in capitals (GET, RUNNING).

    Such words are verbs and states: another one is another message.
    """
    return word.endswith(("ed", "ing")) or (len(word) > 1 and word.isupper())


def _enclosed(tokens: _Tokens, position: int) -> bool:
    around = "".join(tokens[max(position - 1, 0) : position] + tokens[position + 1 : position + 2])
    return around in _ENCLOSE


def frame_of(tokens: _Tokens) -> _Tokens:
    """Return a key with a hole for each variable and each identifier that may be a value.

    What stands before a colon, an equals sign or a bracket names what follows: it stays, unless it
    has two dots and a whole sentence follows a colon.
    """
    sentence = sum(t != VARIABLE and is_word(t) for t in tokens) > 5
    frame = list(tokens)
    for i, token in enumerate(tokens):
        if token != VARIABLE and not (is_word(token) and is_identifier(token)):
            continue
        behind = tokens[i + 1 : i + 3]
        placed = sentence and token.count(".") > 1
        names = bool(behind) and behind[0] in _NAMES_WHAT_FOLLOWS
        if token == VARIABLE or not names or (placed and behind == (":", " ")):
            frame[i] = _HOLE
    return tuple(frame)


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
        self.position: dict[int, int] = {}
        self.varied: dict[int, int] = {}
        self.touched: set[int] = set()
        self.frames: defaultdict[_Tokens, list[int]] = defaultdict(list)
        self.new_in_frames: set[_Tokens] = set()
        self.values: set[str] = set()
        self.alternatives: defaultdict[_Tokens, list[int]] = defaultdict(list)
        self.shortened: set[int] = set()
        for key in keys:
            self.add(tokens_of(key))

    def add(self, tokens: _Tokens) -> int:
        if tokens in self.number:
            return self.number[tokens]
        number = self.number[tokens] = len(self.tokens)
        self.tokens.append(tokens)
        self.parent.append(number)
        frame = frame_of(tokens)
        if _HOLE in frame:
            self.frames[frame].append(number)
            if len(self.frames[frame]) > 1:
                self.new_in_frames.add(frame)
        self._join_alternatives(tokens, number)
        parts = [hash((token, i)) for i, token in enumerate(tokens)]
        whole = sum(parts)
        for i, token in enumerate(tokens):
            if is_word(token) and token.lower() not in FUNCTION_WORDS:
                self._see(hash((whole - parts[i], i, len(tokens))), i, token, number)
        return number

    def _join_alternatives(self, tokens: _Tokens, number: int) -> None:
        """Unite keys that differ in whether a value is there, or in its length."""
        for other in self.alternatives.get(tokens, ()):
            self.unite(other, number)
        words = sum(t != VARIABLE and is_word(t) for t in tokens)
        if words < 3 or sum(map(is_content_word, tokens)) < 2:
            return
        places = []
        for i in range(len(tokens) - 2):
            if tokens[i] == VARIABLE or not is_word(tokens[i]) or (i and tokens[i - 1] != " "):
                continue
            if tokens[i + 1 : i + 3] == (":", VARIABLE):
                places.append(i)
            elif i and tokens[i + 1] == "(" and VARIABLE in tokens[i + 2 :]:
                # by root(uid=0), where other lines say: by (uid=0).
                self._alternative((*tokens[:i], *tokens[i + 1 :]), number)
        # wpad:80, where data stands in other lines.
        for chosen in {*((i,) for i in places), tuple(places)}:
            short = tokens
            for i in reversed(chosen):
                short = (*short[:i], VARIABLE, *short[i + 3 :])
            if chosen:
                self._alternative(short, number)

    def _alternative(self, short: _Tokens, number: int) -> None:
        self.alternatives[short].append(number)
        if short in self.number:
            self.unite(self.number[short], number)

    def _see(self, slot: int, position: int, token: str, number: int) -> None:
        seen = self.slots.get(slot)
        if seen is None:
            self.slots[slot] = number
            return
        if isinstance(seen, int):
            seen = self.slots[slot] = {self.tokens[seen][position]: seen}
            self.position[slot] = position
        seen[token] = number
        self.touched.add(slot)

    def _judge_frame(self, frame: _Tokens) -> None:
        members = [self.tokens[number] for number in self.frames[frame]]
        told = sum(map(is_content_word, frame))
        beside = sum(is_word(t) for t in frame)
        if beside < 2 or not told:
            return
        wide = set()
        for i in (i for i, token in enumerate(frame) if token == _HOLE):
            values = {m[i] for m in members}
            asked = self.evidence.identifiers + (told < 2) + 20 * (told < 2 and not i)
            if len(values) >= (2 if VARIABLE in values else asked):
                wide.add(i)
        if not wide:
            return
        for tokens in members:
            self._generalise(tokens, wide)

    def _generalise(self, tokens: _Tokens, wide: set[int]) -> None:
        general = tuple(VARIABLE if i in wide else t for i, t in enumerate(tokens))
        self.unite(self.number[tokens], self._add_general(general))

    def _add_general(self, general: _Tokens) -> int:
        number = self.add(general)
        # A word that became data may have made a list longer.
        listed = tokens_of(coarse("".join(general))[0])
        if listed != general:
            self._alternative(listed, number)
        return number

    def root(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    def unite(self, left: int, right: int) -> None:
        a, b = self.root(left), self.root(right)
        self.parent[max(a, b)] = min(a, b)

    def settle(self) -> None:
        waiting: set[int] = set()
        while self.touched or self.new_in_frames:
            frames, self.new_in_frames = self.new_in_frames, set()
            for frame in frames:
                self._judge_frame(frame)
            touched, self.touched = self.touched, set()
            known = len(self.values)
            for slot in touched:
                if not self._judge(slot):
                    waiting.add(slot)
            if len(self.values) > known:
                self.touched |= waiting
                waiting = set()

    def _judge(self, slot: int) -> bool:
        values = self.slots[slot]
        assert not isinstance(values, int)
        position = self.position[slot]
        tokens = self.tokens[next(iter(values.values()))]
        if not self._varies(tokens, position, values):
            return False
        words = {v for v in values if v != VARIABLE}
        if len(words) >= self.evidence.proof:
            self.values |= words
        before = self.varied.get(slot, 0)
        if len(values) > before:
            self.varied[slot] = len(values)
            number = self._add_general((*tokens[:position], VARIABLE, *tokens[position + 1 :]))
            for member in tuple(values.values()):
                self.unite(member, number)
        return True

    def _varies(self, tokens: _Tokens, position: int, values: Mapping[str, int]) -> bool:
        evidence = self.evidence
        rest = [t for i, t in enumerate(tokens) if i != position and t != VARIABLE]
        if not any(map(is_content_word, rest)):
            return False
        told = sum(map(is_content_word, rest))
        words = sum(map(is_word, rest))
        # Two words of grammar say as much as one other word.
        constants = told + (words - told) // 2
        if words >= 2:
            if VARIABLE in values:
                return True
            if sum(v in self.values for v in values) >= max(evidence.known, len(values)):
                return True
        if constants >= 2 and _enclosed(tokens, position) and len(values) >= evidence.enclosed:
            return not all(map(says_what_happened, values))
        said = sum(not says_what_happened(v) for v in values)
        asked = (
            evidence.words_beside_one, evidence.words_beside_two, evidence.words, evidence.words,
            evidence.words_beside_many,
        )  # fmt: skip
        return said >= asked[min(constants, 5) - 1]


def _common(members: Sequence[_Tokens]) -> str:
    shortest = min(map(len, members))
    columns = zip(*(m for m in members if len(m) == shortest), strict=True)
    return "".join(c[0] if len(set(c)) == 1 else VARIABLE for c in columns)


def spread(general: str, members: Iterable[str]) -> str:
    """Return a general key with whatever all members have alike in place of a variable.

    Parameters
    ----------
    general : str
        Coarse key of a group.
    members : iterable of str
        Keys of the group, not coarse.

    Returns
    -------
    str
    """
    tokens = tokens_of(general)
    seen: list[set[str]] = [set() for _ in tokens]
    for member in members:
        whole, found = coarse(member)
        own = tokens_of(whole)
        if len(own) != len(tokens):
            return general
        pieces = iter(found)
        for values, token in zip(seen, own, strict=True):
            values.add(next(pieces) if token == VARIABLE else VARIABLE)
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
        Different coarse keys, in any order
        (:func:`~pipelines.aiops.logs.templates.variables.coarse`).
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
