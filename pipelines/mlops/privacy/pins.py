"""The pinned hash of a source file that changed, put right in ``params.yaml``."""

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
    path = root / PARAMS
    if not path.is_file():
        return []
    text = before = path.read_text(encoding="utf-8")
    changed = []
    for old, new in pins.items():
        if old in text:
            text = text.replace(old, new)
            changed.append(old)
    if text != before:
        write_text(path, text)
    return changed
