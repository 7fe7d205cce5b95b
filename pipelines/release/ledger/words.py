"""What the operating system refuses, in words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.base.errors import SignalboxError

_WORDS = {
    errno.ENOSPC: "the disk is full; nothing was added; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; nothing was added; free some space and try again",
    errno.EFBIG: "the file would grow over the allowed size; nothing was added",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to read or write here",
    errno.EPERM: "no permission to write here",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EISDIR: "is a folder where a file should be",
}


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into one line that a person understands."""
    try:
        yield
    except OSError as error:
        reason = _WORDS.get(error.errno or 0, error.strerror or str(error))
        raise SignalboxError(f"{path}: {reason}") from error
