"""Windows at the edges: hostile names, far too much, and nothing at all."""

from pathlib import Path

from pipelines.aiops.incidents import Change, PastIncident
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.params.analysis import ReportIncidentsParams
from tests.unit.aiops.service_map.spans import built, client, span

from .cases import ABOUT, MINUTE, START, Json, finding, leave, plot


def hostile(place: Path, evil: str) -> ReportIncidentsParams:
    """Every text that telemetry, changes and tickets can hold is `evil`; numbers are extreme."""
    metrics = [
        finding("metric", "spike", evil, 31, minutes=5, score=4.0, instance=evil, sentence=evil,
                labels={"__name__": evil, evil: evil}, observed=1e300, expected_low=-1e300,
                evidence={"unit": evil}),
        finding("metric", evil[:60], "", 50, score=300.0, sentence=""),
        finding("metric", "flat_line", "x" * 400, 60, score=0.0, sentence="x" * 3000,
                observed=0.0, expected_low=0.0, expected_high=0.0),
    ]  # fmt: skip
    logs = [finding("log", "new_template", evil, 32, score=2.0, labels={"template": evil},
                    sentence=evil, evidence={"first_line": evil}, observed=3.0)]  # fmt: skip
    alerts = [finding("alert", "alert", evil, 33, labels={"alertname": evil}, sentence=evil)]
    wild: list[float | None] = [None] * 30 + [1e300, -1e300, None, 5.0] + [None] * 20
    plots = {
        metrics[0].id: _plot(wild, unit=evil, per_second=True, high=1e300),
        metrics[1].id: _plot([None] * 30),
        metrics[2].id: _plot([0.0] * 130, low=0.0, high=0.0),
        logs[0].id: _plot([], unit="lines", step_us=5 * MINUTE),
    }
    lines = {logs[0].id: [{"at_us": 10**19, "severity": "", "body": evil},
                          {"at_us": -5, "severity": evil, "body": ""}]}  # fmt: skip
    peer = client(evil, "2", "1", attributes={"peer.service": f"{evil}2"})
    rows = [span(evil, "1"), peer, span("x" * 400, "3", trace_id="t2")]
    changes = [Change(evil, evil, START + 30 * MINUTE, evil), Change("", "nobody", 9 * 10**18, "")]
    past = [PastIncident(evil, START - 10**12, (evil,), (evil,), evil, evil, evil)]
    leave(place, metrics, logs, alerts, plots=plots, lines=lines, map=built(*rows),
          map_before=built(span(f"{evil}3", "1")), changes=changes, past=past,
          calls=[(evil, f"{evil}2"), ("a" * 500, evil)], missing_windows=[evil] * 9,
          metric_counts={"series": 3, "skipped": {evil: 3}, evil: evil}, log_counts={})  # fmt: skip
    return ReportIncidentsParams(title=evil, owner=evil, notice=evil)


def _plot(values: list[float | None], **more: object) -> Json:
    return {"unit": "", "per_second": False, "step_us": MINUTE, "start_us": START,
            "values": values, "low": None, "high": None, **more}  # fmt: skip


def huge(place: Path) -> ReportIncidentsParams:
    """536 incidents of 700 services, 4,900 anomalies, 300 changes."""
    names = [f"service-{i:03d}" for i in range(700)]
    metrics = [_metric(i, names[i % 700]) for i in range(4000)]
    logs = [finding("log", "burst", names[i % 700], (i * 3) % 110, minutes=5.0, score=2.0,
                    labels={"template": f"E{i}"}, observed=30.0) for i in range(900)]  # fmt: skip
    alerts = [finding("alert", "alert", names[i], i % 110, labels={"alertname": f"A{i}"})
              for i in range(600)]  # fmt: skip
    rarest = sorted(metrics, key=lambda one: (-one.score, one.id))[:100]
    plots = {one.id: plot(one) for one in (*rarest, *logs[:100])}
    changes = [Change(f"c{i}", names[i], START + (i % 100) * MINUTE, f"release {i}")
               for i in range(300)]  # fmt: skip
    calls = [(names[i], names[i + 1]) for i in range(0, 699, 2)]
    leave(place, metrics, logs, alerts, plots=plots, calls=calls, changes=changes)
    return ABOUT


def _metric(i: int, service: str) -> Finding:
    return finding("metric", "spike", service, (i * 7) % 110, minutes=i % 9, score=1 + i % 60 / 10,
                   labels={"__name__": f"metric_{i}"}, observed=float(i), expected_low=0.0,
                   expected_high=1.0)  # fmt: skip


def quiet(place: Path, *, looked: bool = True) -> ReportIncidentsParams:
    """Nothing was found; or there was nothing to look at."""
    seen = 812 if looked else 0
    leave(place, [], [], [], changes=[], map=built(), map_before=built(),
          metric_counts={"series": seen, "points": seen * 120, "uncertain": 0, "skipped": {}},
          log_counts={"lines": seen, "templates": 3}, synthetic=False)  # fmt: skip
    return ABOUT
