"""Requests that write take turns where Airflow's metadata is in SQLite, as in ``signalbox ui``.

SQLite has one writer. Airflow 3.3 writes its audit log inside the API server's event loop, while
another request's transaction waits for that loop before it can commit: the two stop each other,
and the whole server with them, until SQLite gives up. A click on *Trigger* sends two such requests.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["OneWriter"]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class OneWriter:
    """ASGI middleware: at most one request that may write is inside the application.

    A request waits for its turn after its body has arrived, so a slow client holds up nobody.

    Parameters
    ----------
    app : ASGI application
        What answers the requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, one that may write in its turn."""
        if scope["type"] != "http" or scope["method"] in _READS:
            await self._app(scope, receive, send)
            return
        arrived = [await receive()]
        while arrived[-1].get("more_body", False):
            arrived.append(await receive())

        async def replay() -> Message:
            return arrived.pop(0) if arrived else await receive()

        async with self._turn:
            await self._app(scope, replay, send)
