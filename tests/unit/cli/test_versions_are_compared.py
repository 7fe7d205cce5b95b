"""``signalbox compare``: what differs between two versions, at 80 and 140 columns and as JSON."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from docs.make_commands import RESULTS
from pipelines.cli.main import app
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure
from pipelines.release import lifecycle
from pipelines.release.lifecycle.compare import Change, Comparison, FigureChange, Side
from tests.support.shapes import faults


def side(name: str, version: str, verdict: str) -> Side:
    return Side(
        name=name, version=version, commit=name[0] * 40, time="2026-03-01T10:00:00Z",
        verdict=verdict,
    )  # fmt: skip


def figure(name: str, *values: float | None) -> FigureChange:
    a, b = (
        None if value is None else Figure(
            id=name, label="l", value=value, low=value - 0.01, high=value + 0.01, method="count",
            n=10,
        )
        for value in values
    )  # fmt: skip
    return FigureChange(id=name, label="l", unit="", a=a, b=b)


FAR = "0.5 (0.49 to 0.51) → 0.6 (0.59 to 0.61)"
FOUND = Comparison(
    product="model_release",
    a=side("a", "v1.0.0", "approve"),
    b=side("b", "", "reject"),
    checks=[Change(name="ranking", a="pass", b="fail"), Change(name="drift", a="pass", b="pass")],
    figures=[
        figure("evaluate.same", 0.5, 0.5),
        figure("evaluate.near", 0.5, 0.505),
        figure("evaluate.far", 0.5, 0.6),
        figure("evaluate.new", None, 0.1),
    ],
    params=[Change(name=f"train.p{n}", a=n, b=None) for n in range(20)],
    data=[Change(name="data/a.csv", a="1", b="1")],
    artifacts=[Change(name="models/model.skops", a="1", b="2")],
    code=[Change(name="pipelines/new.py", a=None, b="2")],
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Compare nothing; note what was asked for."""
    calls: list[tuple[str, ...]] = []

    def compare(_: object, *words: str) -> Comparison:
        calls.append(words)
        if words[2] == "v9":
            raise SignalboxError("there is no 'v9'")
        return FOUND

    monkeypatch.setattr(lifecycle, "compare_versions", compare)
    monkeypatch.setenv("COLUMNS", "140")
    return calls


def compare(*words: str) -> Any:
    return CliRunner().invoke(app, ["compare", "model_release", *words])


def test_what_differs_is_said_and_what_chance_does_not_explain_comes_first(
    asked: list[tuple[str, ...]],
) -> None:
    lines = compare("v1.0.0", "HEAD").output.splitlines()
    assert asked == [("model_release", "v1.0.0", "HEAD")]
    assert lines[:9] == [
        "A: a (v1.0.0), commit aaaaaaaaaaaa of 2026-03-01 10:00 UTC; the gate approves",
        "B: b, commit bbbbbbbbbbbb of 2026-03-01 10:00 UTC; the gate rejects",
        "",
        "checks of the gate:",
        "  ranking: pass → fail",
        "",
        "figures, A → B:",
        f"  evaluate.far: {FAR}, +0.1; the intervals don't overlap",
        "  evaluate.near: 0.5 (0.49 to 0.51) → 0.505 (0.495 to 0.515), +0.005",
    ]
    assert "  evaluate.new: none → 0.1 (0.09 to 0.11)" in lines
    assert "data that differ: none" in lines
    assert lines[-1] == "  pipelines/new.py (only in B)"


def test_long_sections_are_folded_and_verbose_shows_them(asked: list[tuple[str, ...]]) -> None:
    short, long = compare("a", "b").output, compare("a", "b", "--verbose").output
    assert "and 5 more: --verbose shows them" in short
    assert "train.p19: 19 → not set" not in short
    assert "train.p19: 19 → not set" in long


@pytest.mark.parametrize("width", [80, 140])
def test_lines_fit_the_screen(
    asked: list[tuple[str, ...]], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, compare("a", "b", "-v").output.splitlines())) <= width


def test_json_is_the_whole_comparison(asked: list[tuple[str, ...]]) -> None:
    told = json.loads(compare("a", "b", "--json").stdout)
    assert faults(told, RESULTS["compare"]) == []
    assert len(told["params"]) == 20


def test_what_is_not_there_is_one_line(asked: list[tuple[str, ...]]) -> None:
    done = compare("a", "v9")
    assert (done.exit_code, done.stderr) == (1, "error: there is no 'v9'\n")
