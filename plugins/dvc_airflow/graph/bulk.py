"""Takes long lists that DVC wrote out of a YAML text, after checking them by a pattern.

A .dvc file of a cloud-versioned directory names every file in it, and so does dvc.lock. The
graph needs none of them; composing 40,000 entries into nodes takes seconds. DVC writes them in
one form, line by line, which a regular expression checks a hundred times as fast. A list in any
other form stays where it is, and the YAML reader checks it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Final

# Texts that YAML 1.2 reads as texts: no number, date, truth value or null looks like them. Every
# repetition is possessive, for there are megabytes of this.
_WIDE: Final = r"\u00a1-\u1fff\u3001-\ud7ff"
_LETTER: Final = (
    r"(?:[A-EG-MO-SU-Za-eg-mo-su-z]|(?!(?i:true|false|null) *\n)[FNTfnt]"
    r"|[1-9][0-9]*+(?:e[0-9]*+)?+[A-Za-z]|0[0-9]++(?:e[0-9]*+)?+[A-Za-z]"
    r"|0(?:e[0-9]*+)?+[ac-np-wyzAC-NP-WYZ]|0b[01]*+[2-9A-Za-z])"
)
_ODD: Final = r"\.(?!(?i:inf|nan) *\n)[A-Za-z_./]|(?=[^\n]*[g-np-wyzG-NP-WYZ/])[0-9/]"
_QUOTED: Final = rf"'(?:[ -&(-~{_WIDE}]|'')*+'|\"[ !#-\[\]-~{_WIDE}]*+\""
_NAME: Final = rf"(?:(?:_|{_LETTER}|{_ODD})[A-Za-z0-9_./ @+,()=~^$;&%{_WIDE}-]*+|{_QUOTED})"
# DVC wants three characters of a tag or hash, which a text that it wrote has.
_HASH: Final = rf"(?:{_LETTER}[A-Za-z0-9_.-]*+|'[ -&(-~]++')"
_ID: Final = rf"(?:{_LETTER}[A-Za-z0-9_.-]*+|'[ -&(-~]*+')"
_VALUES: Final = {
    "path": _NAME,
    "relpath": _NAME,
    "hash": "(?:md5|sha256|etag|checksum)",
    "md5": _HASH,
    "size": "[0-9]{1,18}",
    "nfiles": "[0-9]{1,18}",
    "isexec": "(?:true|false)",
    "version_id": _ID,
    "etag": _HASH,
    "checksum": _HASH,
}
_LISTS: Final = {
    wanted: re.compile(
        rf"^(?P<key> *(?:- )?)(?P<list>{wanted}):\n(?P<dash> *)- (?P<first>\w+):", re.M
    )
    for wanted in ("files", "deps", "outs")
}
_KEYS: Final = re.compile(r"^ *(?:- )?(\w+):", re.M)
_OBJECT: Final = ("md5", "size", "nfiles", "isexec", "version_id", "etag", "checksum")
_KNOWN: Final = ("relpath", "path", "hash", *_OBJECT)
_ENOUGH: Final = 4096


def without_lists(text: str, lists: Sequence[str] = ("files", "deps", "outs")) -> str:
    """Return a YAML text with an empty list for each list of entries as DVC writes it.

    Every line keeps its number. What is left out has been checked to be what DVC accepts: known
    keys, each once, with values of their types. So reading what is left accepts or refuses as
    reading the whole would.

    Parameters
    ----------
    text : str
        A .dvc file or a dvc.lock.
    lists : sequence of str
        Which lists to leave out, inner ones first.
    """
    for wanted in lists:
        if f"{wanted}:\n" in text:
            text = _without(text if text.endswith("\n") else f"{text}\n", wanted)
    return text


def _without(text: str, wanted: str) -> str:
    present = [key for key in (*_KNOWN, "cloud") if f"{key}:" in text]
    pieces: list[str] = []
    done = after = 0
    head = _LISTS[wanted]
    while match := head.search(text, after):
        after = match.end()
        dash = match["dash"]
        if len(dash) < len(match["key"]):
            continue
        order = _order(text, match.start("dash"), match["first"], present, wanted)
        entries = order and _pattern(dash, order, wanted).match(text, match.start("dash"))
        if not entries:
            continue
        pieces += [text[done : match.end("list")], ": []\n", "\n" * entries[0].count("\n")]
        done = after = entries.end()
    return "".join([*pieces, text[done:]]) if pieces else text


def _order(text: str, start: int, first: str, present: list[str], wanted: str) -> tuple[str, ...]:
    """Return the order of the keys as the list's first entries have them; none if unknown."""
    other = ("path", "hash") if wanted == "files" else ("relpath",)
    # Keys that stand nowhere are no part of the pattern, whose every part costs time.
    known = [key for key in present if key not in other]
    seen = dict.fromkeys(
        key for key in _KEYS.findall(text[start : start + _ENOUGH]) if key in known
    )
    order = [*seen, *(key for key in known if key not in seen)]
    complete = ("relpath" if wanted == "files" else "path") in order
    return tuple(order) if complete and order[0] == first else ()


@functools.lru_cache(maxsize=64)
def _pattern(dash: str, order: tuple[str, ...], wanted: str) -> re.Pattern[str]:
    """Return what a whole list looks like: entries, then a line that cannot belong to it."""
    first, *others = order
    required = "relpath" if wanted == "files" else "path"
    lines = [f"{dash}- {first}: {_VALUES[first]}\n"]
    for key in others:
        if key == "cloud":
            fields = (key for key in others if key in _OBJECT)
            objects = "".join(f"(?:{dash}      {key}: {_VALUES[key]}\n)?" for key in fields)
            remote = f"{dash}    [a-zA-Z][\\w-]*:\n(?={dash}      ){objects}"
            lines.append(f"(?:{dash}  cloud:\n{remote})?")
        else:
            line = f"{dash}  {key}: {_VALUES[key]}\n"
            lines.append(line if key == required else f"(?:{line})?")
    if wanted != "files":
        lines.append(rf"(?:{dash}  files: \[\]\n\n*+)?")
    end = rf"(?=\Z| {{0,{len(dash)}}}[a-zA-Z_'\"]| {{0,{max(len(dash) - 1, 0)}}}- )"
    if not dash:
        end = r"(?=\Z|[a-zA-Z_'\"])"
    return re.compile(f"(?:{''.join(lines)})++{end}")
