"""Files of findings: what is read is what was written, equal content gives equal bytes."""

from pathlib import Path

import pytest

from pipelines.aiops.lake.findings import (
    Finding,
    FindingsFile,
    LogLine,
    Plot,
    finding_id,
    read_findings,
    write_findings,
)
from pipelines.aiops.lake.window import Window
from pipelines.core.errors import SignalboxError

WINDOW = Window.parse("20260412T100000Z_20260412T110000Z")


def finding(service: str = "pay", start: int = 5) -> Finding:
    return Finding(
        finding_id("metric", "spike", {"service": service}, start), "metric", "spike", service, "",
        {"__name__": "load", "b": "\ud800", "a": "<script>"}, start, start + 1, 3.14159265358979,
        "load of pay: a spike", 0.1, float("nan"), 0.30000000000000004, {"x": [1, None]},
    )  # fmt: skip


def plot(values: list[float | None]) -> Plot:
    return Plot("seconds", False, 60_000_000, 5, values, None, 2.0)


def written(path: Path, **more: object) -> FindingsFile:
    file = FindingsFile("metric", WINDOW, [finding()], {"series": 1, "skipped": {}}, {"a": 1},
                        {"2": plot([1.0, None]), "1": plot([])}, **more)  # type: ignore[arg-type]  # fmt: skip
    write_findings(path, file)
    return file


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", lines={"1": [LogLine(1, "error", "refused")]})
    read = read_findings(tmp_path / "a.json")
    assert [one.as_json() for one in read.findings] == [one.as_json() for one in file.findings]
    assert (read.window, read.counts, read.plots, read.lines) == (
        WINDOW, file.counts, file.plots, file.lines)  # fmt: skip


def test_equal_findings_give_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        written(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_metrics_have_no_lines(tmp_path: Path) -> None:
    written(tmp_path / "a")
    assert read_findings(tmp_path / "a").lines is None


@pytest.mark.parametrize(
    "text",
    ['{"format": "other/1"}', '{"format": "signalbox.findings/1"}', "[]",
     '{"format": "signalbox.findings/1", "signal": "metric", "window": {"start": "x"}}'],
)  # fmt: skip
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SignalboxError, match=r"a\.json: (not of format|signal: |window\.)"):
        read_findings(tmp_path / "a.json")
