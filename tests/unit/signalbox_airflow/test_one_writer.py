"""Requests that write take turns; those that read don't wait."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from signalbox_airflow.one_writer import OneWriter


class Application:
    """Answers a request when it is let go; knows who is inside."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.bodies: dict[str, bytes] = {}
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the whole body, wait, leave."""
        self.inside.append(scope["path"])
        try:
            body, more = b"", scope["type"] == "http"
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            self.bodies[scope["path"]] = body
            await self.go.wait()
        finally:
            self.inside.remove(scope["path"])


def request(app: Any, method: str, path: str, parts: Iterable[bytes] = (b"",)) -> Any:
    """Send a request whose body comes in parts; None among them never arrives."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        if left[0] is None:
            await asyncio.Event().wait()
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    return asyncio.ensure_future(
        app({"type": "http", "method": method, "path": path}, receive, send)
    )


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_second_writer_comes_in_when_the_first_has_left(method: str) -> None:
    async def story() -> None:
        inner = Application()
        app = OneWriter(inner)
        both = [request(app, method, "first"), request(app, "POST", "second", [b"a", b"b"])]
        await settle()
        assert inner.inside == ["first"]
        inner.go.set()
        await asyncio.gather(*both)
        assert inner.bodies == {"first": b"", "second": b"ab"}

    asyncio.run(story())


def test_a_reader_waits_for_nobody() -> None:
    async def story() -> None:
        inner = Application()
        app = OneWriter(inner)
        running = [request(app, "POST", "writes"), request(app, "GET", "reads")]
        await settle()
        assert inner.inside == ["writes", "reads"]
        inner.go.set()
        await asyncio.gather(*running)

    asyncio.run(story())


def test_a_client_whose_body_never_comes_holds_up_nobody() -> None:
    async def story() -> None:
        inner = Application()
        app = OneWriter(inner)
        slow = request(app, "POST", "slow", [b"a", None])  # type: ignore[list-item]
        await settle()
        quick = request(app, "POST", "quick")
        await settle()
        assert inner.inside == ["quick"]
        inner.go.set()
        await quick
        slow.cancel()

    asyncio.run(story())


def test_a_writer_that_fails_leaves_the_turn_to_the_next() -> None:
    async def story() -> None:
        calls = []

        async def fails(scope: Any, receive: Any, send: Any) -> None:
            calls.append(scope["path"])
            raise ValueError("no")

        app = OneWriter(fails)
        results = await asyncio.gather(
            request(app, "POST", "one"), request(app, "POST", "two"), return_exceptions=True
        )
        assert [type(result) for result in results] == [ValueError, ValueError]
        assert calls == ["one", "two"]

    asyncio.run(story())
