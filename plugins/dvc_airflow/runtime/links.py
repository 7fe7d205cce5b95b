"""DVC's reflinks, made safe for several runs that fill one cache.

Where a file system has no reflinks, DVC's try leaves an empty file under the final name for a
moment. Another run that adds the same content at that moment takes it for the object, doesn't add
its own, and then finds nothing: "unable to remove … without a confirmation".
"""

from __future__ import annotations

import os
from collections.abc import Callable

from dvc_objects.fs import system


def make_reflinks_atomic() -> None:
    """Let DVC try a reflink under another name first."""
    reflink: Callable[[str, str], None] = system.reflink

    def link_and_rename(source: str, target: str) -> None:
        temporary = f"{target}.{os.getpid()}.link"
        reflink(source, temporary)
        os.rename(temporary, target)

    system.reflink = link_and_rename
