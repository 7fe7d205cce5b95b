"""Raw alerts as columns, before rules are evaluated and overlaps become one alert."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOBODY = -1


@dataclass(frozen=True)
class Events:
    """Raw alerts; every array has shape (rows,).

    Attributes
    ----------
    rule, service, instance
        Positions; instance is -1 for alerts of the service as a whole.
    start, end
        Seconds since the world's start; end is infinite for what never ends.
    fault, noise
        Position of what it comes from, -1 = not that.
    early
        Whether it was too early for anybody to act on.
    """

    rule: NDArray[np.int32]
    service: NDArray[np.int32]
    instance: NDArray[np.int32]
    start: Floats
    end: Floats
    fault: NDArray[np.int32]
    noise: NDArray[np.int32]
    early: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)

    def where(self, keep: NDArray[np.bool_] | Ints) -> "Events":
        """Rows chosen by a mask or by positions."""
        return Events(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def of_one(
    rule: int,
    service: int,
    instance: Ints,
    start: Floats,
    end: Floats,
    *,
    fault: int = NOBODY,
    noise: int = NOBODY,
    early: bool = False,
) -> Events:
    """Events of one rule at one service."""
    n = len(start)
    return Events(
        np.full(n, rule, np.int32),
        np.full(n, service, np.int32),
        instance.astype(np.int32),
        start,
        end,
        np.full(n, fault, np.int32),
        np.full(n, noise, np.int32),
        np.full(n, early),
    )


def join(parts: list[Events]) -> Events:
    """All rows one after the other."""
    names = list(Events.__dataclass_fields__)
    if not parts:
        return of_one(0, 0, np.empty(0, np.int64), np.empty(0), np.empty(0))
    return Events(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def some_instances(
    rng: np.random.Generator, rows: int, hits: int, instances: int
) -> tuple[Ints, Ints]:
    """Choose `hits` of `instances` anew for each row.

    Returns
    -------
    Positions of rows (each `hits` times), and the instances chosen.
    """
    which = np.repeat(np.arange(rows), hits)
    if hits >= instances:
        return which, np.tile(np.arange(instances), rows)[: len(which)]
    if hits == 1:
        return which, rng.integers(0, instances, rows)
    order = np.argsort(rng.random((rows, instances)), axis=1)[:, :hits]
    return which, order.ravel()
