"""Ledgers that were closed when a new one began: the new one's first entry names them."""

from pathlib import Path

from pipelines.release.ledger.verify import BrokenError, Chain, follow, read_entry

ARCHIVE = "archive"


def proven_before(folder: Path, first_line: bytes) -> frozenset[str]:
    """Hashes of all entries in the ledgers that the one beginning with `first_line` continues.

    Parameters
    ----------
    folder
        Folder of the ledger.
    first_line
        A first line that was found to hold.

    Raises
    ------
    BrokenError
        If one of them is missing, doesn't hold, or ends elsewhere than was written down.
    """
    heads: set[str] = set()
    line = first_line
    while named := read_entry(line).data.get("continues"):
        lines, chain = _closed(folder, named)
        heads |= chain.heads
        line = lines[0]
    return frozenset(heads)


def _closed(folder: Path, named: dict[str, object]) -> tuple[list[bytes], Chain]:
    """Lines and chain of one closed ledger."""
    place = f"{ARCHIVE}/{Path(str(named.get('file'))).name}"
    try:
        content = (folder / place).read_bytes()
    except OSError as error:
        raise BrokenError(f"continues {place}, which cannot be read: {error.strerror}") from None
    lines = content.split(b"\n")[:-1]
    chain, problem = follow(lines)
    if problem is not None:
        raise BrokenError(f"continues {place}, whose line {problem.line} {problem.reason}")
    if chain.head != named.get("head") or not lines:
        raise BrokenError(
            f"continues {place} up to {str(named.get('head'))[:12]}…, but it ends with "
            f"{chain.head[:12]}…: it was cut off or rewritten"
        )
    return lines, chain
