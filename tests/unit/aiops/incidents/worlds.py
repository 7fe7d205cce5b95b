"""Small made-up signals with one known cause."""

import numpy as np

from pipelines.aiops.incidents.model import (
    FaultWindow,
    Graph,
    Logs,
    Series,
    Signals,
    Spans,
    role_of,
)

STEP = 60_000_000
PAST, NOW = 200, 10
GRAPH = Graph(frozenset({("web", "shop"), ("shop", "store"), ("web", "mail")}))
WINDOW = FaultWindow(PAST * STEP, (PAST + NOW) * STEP, ((0, PAST * STEP),))


def series(
    service: str, metric: str, level: float, *, seed: int, during: float | None = None
) -> Series:
    rng = np.random.default_rng(seed)
    values = level * rng.normal(1, 0.03, PAST + NOW)
    if during is not None:
        values[PAST:] = during * rng.normal(1, 0.03, NOW)
    return Series(service, metric, np.arange(PAST + NOW) * STEP, values, role_of(metric))


def slow_store() -> Signals:
    """Give signals in which all of the path is slow, because the store at its end is."""
    return Signals(
        series=(
            series("web", "latency", 0.2, seed=1, during=0.5),
            series("shop", "latency", 0.1, seed=2, during=0.4),
            series("store", "latency", 0.01, seed=3, during=0.31),
            series("mail", "latency", 0.05, seed=4),
            series("mail", "cpu_usage", 20.0, seed=5),
        )
    )


def traces(faulty: int, *, ordinary: int = 60, error_in: str = "store") -> Signals:
    """Give traces web -> shop -> store; in the last `faulty` one service logs an error."""
    texts = ["start", "done", "cannot reach table: error"]
    rows: list[tuple[str, str, str, str, str, int]] = []
    lines: list[tuple[str, str, str, int, int]] = []
    for i in range(ordinary + faulty):
        bad = i >= ordinary
        at = (PAST * STEP if bad else 0) + i * 1_000_000
        for depth, (service, above) in enumerate((("web", ""), ("shop", "web"), ("store", "shop"))):
            begin = at + depth * 1000
            rows.append(
                (f"t{i}", f"{service}{i}", f"{above}{i}" if above else "", service, "get", begin)
            )
            fails = bad and ("web", "shop", "store").index(error_in) >= depth
            codes = [0, 2] if fails else [0, 1]
            for n, code in enumerate(codes):
                lines.append((f"t{i}", f"{service}{i}", service, begin + 100 * n, code))
    columns = list(zip(*rows, strict=True))
    start = np.array(columns[5], np.int64)
    spans = Spans(
        list(columns[0]), list(columns[1]), list(columns[2]), list(columns[3]), list(columns[4]),
        start, start + 500,
    )  # fmt: skip
    cells = list(zip(*lines, strict=True))
    logs = Logs(
        list(cells[0]), list(cells[1]), list(cells[2]),
        np.array(cells[3], np.int64), np.array(cells[4], np.int64), texts,
    )  # fmt: skip
    return Signals(spans=spans, logs=logs)
