from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import ValidationError

from pipelines.core.evidence import Figure
from pipelines.release.kpis import Kpi, KpisParams, evaluate, kpi_results, plot, spark, trend


def figure(name: str, value: float | None, missing: str = "") -> Figure:
    return Figure(id=name, label=name, value=value, method="count", n=10, missing=missing)


def kpi(formula: str, **changes: Any) -> Kpi:
    base = {
        "id": "k",
        "owner": "data science",
        "measures": "something",
        "formula": formula,
        "target": 0.9,
        "direction": "at_least",
    }
    return Kpi.model_validate({**base, **changes})


FIGURES = {
    f.id: f
    for f in (
        figure("evaluate.error", 0.05),
        figure("bias_audit.worst:sex", None, "nobody was selected"),
    )
}


@dataclass(frozen=True)
class Entry:
    seq: int
    data: dict[str, Any]
    kind: str = "run"
    subject: str = "model_release"
    time: str = field(default="2026-01-01T00:00:00.000000+00:00")


def test_a_target_is_met_on_its_own_side() -> None:
    good, bad, level = evaluate(
        [
            kpi("1 - evaluate.error"),
            kpi("1 - evaluate.error", direction="at_most"),
            kpi("1 - evaluate.error", target=0.95),
        ],
        FIGURES,
    )
    assert (good.value, good.met, bad.met, level.met) == (0.95, True, False, True)
    assert good.figures == {"evaluate.error": 0.05}


def test_no_value_is_neither_met_nor_missed_and_says_why() -> None:
    unmeasured, undefined = evaluate([kpi("live.accuracy"), kpi("bias_audit.worst:sex")], FIGURES)
    assert unmeasured.met is None
    assert "live.accuracy has not been measured yet" in unmeasured.missing
    assert undefined.missing == "bias_audit.worst:sex: nobody was selected"


def test_a_kpi_whose_figure_nobody_measures_has_no_value_and_the_others_have_theirs() -> None:
    sound, broken = evaluate([kpi("evaluate.error"), kpi("1 - evaluate.eror", id="two")], FIGURES)
    assert sound.value == FIGURES["evaluate.error"].value
    assert (broken.value, broken.met) == (None, None)
    assert "no evidence has evaluate.eror; did you mean evaluate.error?" in broken.missing


def test_a_formula_is_checked_when_the_file_is_read() -> None:
    with pytest.raises(ValidationError, match="expected a number, a figure"):
        kpi("1 - ")
    with pytest.raises(ValidationError, match=r"used twice: \['k'\]"):
        KpisParams.model_validate({"definitions": [kpi("1").model_dump(), kpi("2").model_dump()]})


def test_the_trend_follows_the_ledger() -> None:
    entries = [
        Entry(1, {"run": "a", "figures": {"evaluate.error": 0.2}}),
        Entry(2, {"run": "a", "figures": {"evaluate.error": 0.3}}, kind="gate"),
        Entry(3, {"run": "b", "figures": {"evaluate.other": 1}}),
        Entry(4, {"run": "c", "figures": {"evaluate.error": 0.1}}),
        Entry(5, {"run": "d", "figures": {"evaluate.error": 0.9}}, subject="rules"),
        Entry(6, {"run": "e", "figures": {"evaluate.error": 0.9}}, kind="alarm"),
        Entry(7, {"run": "f"}),
        Entry(7, {"run": "day", "figures": {"live.accuracy": 0.7}}),
        Entry(8, {"run": "g", "commit": "c" * 40, "figures": {"evaluate.error": 0.5}}),
        Entry(9, {"run": "", "commit": "c" * 40, "figures": {"evaluate.error": "NaN"}}, "gate"),
    ]
    points = trend(kpi("1 - evaluate.error"), entries, "model_release")
    assert [(p.run, p.value) for p in points] == [
        ("a", 0.7),
        ("b", None),
        ("c", 0.9),
        ("cccccccccccc", None),
    ]
    params = KpisParams(definitions=[kpi("1 - evaluate.error")])
    assert kpi_results(params, FIGURES, entries)[0].to_dict()["trend"][2]["value"] == 0.9


def test_a_kpi_belongs_to_one_product_and_follows_its_entries() -> None:
    entries = [Entry(5, {"run": "d", "figures": {"evaluate.error": 0.9}}, subject="rules")]
    params = KpisParams(
        definitions=[kpi("evaluate.error"), kpi("evaluate.error", id="r", product="rules")]
    )
    [result] = kpi_results(params, FIGURES, entries, "rules")
    assert (result.kpi.id, [point.value for point in result.trend]) == ("r", [0.9])
    assert params.products() == ["model_release", "rules"]


def test_drawings_hold_every_value_and_escape_the_title() -> None:
    assert spark([1, 2, None, 3]) == "▁▄·█"
    assert spark([5, 5]) == "▄▄"
    assert spark([]) == ""
    for values in ([], [None], [1.0], [1.0, None, 2.0]):
        root = ET.fromstring(plot(values, 0.5, '<b> & "quoted"'))
        assert root.attrib["aria-label"] == '<b> & "quoted"'
        drawn = next(e for e in root if e.tag == "polyline").attrib["points"].split()
        assert len(drawn) == sum(value is not None for value in values)


def test_since_when_a_target_is_missed_begins_after_the_last_time_it_was_met() -> None:
    def at(seq: int, error: float | None, **more: Any) -> Entry:
        data = {"commit": f"{seq:040}", "figures": {"evaluate.error": error}}
        return Entry(seq, data, time=f"2026-01-0{seq}T00:00:00.000000+00:00", **more)

    params = KpisParams(definitions=[kpi("1 - evaluate.error")])
    bad = {"evaluate.error": figure("evaluate.error", 0.3)}
    entries = [at(1, 0.4), at(2, 0.05), at(3, 0.2), at(4, None), at(5, 0.3)]
    (missed,) = kpi_results(params, bad, entries)
    assert missed.off_target_since[:10] == "2026-01-03"
    (never,) = kpi_results(params, bad)
    assert never.off_target_since == ""
    (met,) = kpi_results(params, FIGURES, entries)
    assert met.off_target_since == ""
