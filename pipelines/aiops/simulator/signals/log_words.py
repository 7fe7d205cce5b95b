"""Lines of one template: its variables drawn, many at a time."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.simulator.signals.names import Floats
from pipelines.aiops.simulator.vocabulary import NOUNS

_FIELD = re.compile(r"\{(\w+)\}")
EXCEPTIONS = ("IllegalStateException", "RuntimeException")


@dataclass(frozen=True)
class Lines:
    """Lines of one template, at seconds since the world's start."""

    at: Floats
    bodies: list[str]
    severity: str
    instance: NDArray[np.int64]


def written(
    rng: np.random.Generator,
    severity: str,
    text: str,
    at: Floats,
    *,
    peers: Sequence[str],
    codes: Sequence[int],
    instance: int | None = None,
) -> Lines:
    """Write a template at times.

    Parameters
    ----------
    peers, codes
        What ``{peer}`` and ``{code}`` are drawn from.
    instance
        Number of the one that writes; None: any.
    """
    n = len(at)
    fields = list(dict.fromkeys(_FIELD.findall(text)))
    drawn = [_draw(rng, name, n, peers, codes) for name in fields]
    numbers = rng.integers(0, 1_000, n) if instance is None else np.full(n, instance)
    if not fields:
        return Lines(at, [text] * n, severity, numbers)
    pattern = _FIELD.sub(lambda found: f"{{{fields.index(found[1])}}}", text)
    bodies = [pattern.format(*row) for row in zip(*drawn, strict=True)]
    return Lines(at, bodies, severity, numbers)


def _draw(
    rng: np.random.Generator, name: str, n: int, peers: Sequence[str], codes: Sequence[int]
) -> list[str]:
    if name == "peer":
        return _one_of(rng, n, peers)
    if name == "code":
        return _one_of(rng, n, [str(code) for code in codes])
    return _DRAWN[name](rng, n)


def _one_of(rng: np.random.Generator, n: int, texts: Sequence[str]) -> list[str]:
    return [texts[at] for at in rng.integers(0, len(texts), n).tolist()]


def _whole(low: int, high: int) -> Callable[[np.random.Generator, int], list[str]]:
    return lambda rng, n: [str(one) for one in rng.integers(low, high, n).tolist()]


def _hex(rng: np.random.Generator, n: int) -> list[str]:
    text = rng.bytes(6 * n).hex()
    return [text[at : at + 12] for at in range(0, 12 * n, 12)]


def _address(rng: np.random.Generator, n: int) -> list[str]:
    return [f"10.{a}.{b}.{c}" for a, b, c in rng.integers(1, 255, (n, 3)).tolist()]


def _milliseconds(rng: np.random.Generator, n: int) -> list[str]:
    return [str(one) for one in np.ceil(rng.lognormal(4, 1, n)).astype(int).tolist()]


_DRAWN: dict[str, Callable[[np.random.Generator, int], list[str]]] = {
    "id": _hex,
    "ip": _address,
    "ms": _milliseconds,
    "n": _whole(1, 2_000),
    "big": _whole(100_000, 90_000_000),
    "few": _whole(1, 9),
    "port": _whole(1_024, 65_000),
    "bytes": _whole(200, 900_000),
    "user": _whole(10_000, 99_999),
    "verb": lambda rng, n: _one_of(rng, n, ("GET", "GET", "GET", "POST", "PUT")),
    "ok": lambda rng, n: _one_of(rng, n, ("200", "200", "200", "201", "304", "404")),
    "path": lambda rng, n: [f"/v1/{one}s" for one in _one_of(rng, n, NOUNS[:12])],
    "noun": lambda rng, n: _one_of(rng, n, NOUNS[:20]),
    "exception": lambda rng, n: _one_of(rng, n, EXCEPTIONS),
}
