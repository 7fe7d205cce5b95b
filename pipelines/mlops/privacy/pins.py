"""Hashes of files that changed, put right where they are written down."""

from pathlib import Path

from pipelines.base.artifacts import PARAMS
from pipelines.base.files import write_text


def update(root: Path, pins: dict[str, str]) -> list[str]:
    """Replace old pins by new ones; everything else in the file stays as it is.

    A SHA-256 stands for one content, so its 64 digits are replaced where they stand; a YAML
    library that writes the file anew would touch lines that nobody changed.

    Returns
    -------
    list of str
        The old pins that were there.
    """
    return _replace(root / PARAMS, pins)


def follow(changed: Path, old: str, new: str) -> list[Path]:
    """Replace the hash of a table in the records beside it (predictions have one).

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
