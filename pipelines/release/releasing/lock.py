"""One release or rollback of a product at a time; the second is refused, it doesn't wait.

Waiting would be wrong: when the first has ended, production is another version, and what the second
was decided on no longer holds. The lock ends with its process, whatever kills it. Between machines
that share no disk the tags decide: of two transactions that create the same tag git lets one pass.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.base.errors import SignalboxError
from pipelines.release.releasing.files import common_folder


class UnderWayError(SignalboxError):
    """Another release or rollback of the same product is under way."""


@contextmanager
def alone(project: Path, product: str) -> Iterator[None]:
    """Hold the product's lock.

    Raises
    ------
    UnderWayError
        At once, if another process holds it.
    """
    path = common_folder(project) / f"signalbox-release-{product}.lock"
    opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(opened, 32, 0).decode().strip() or "unknown"
            raise UnderWayError(
                f"another release or rollback of {product} is under way (process {who}); look at "
                "its result before you decide again"
            ) from None
        os.ftruncate(opened, 0)
        os.pwrite(opened, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(opened)
