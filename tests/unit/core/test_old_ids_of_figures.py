"""A figure's old id is refused where a policy or a formula names it, and followed in the ledger."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipelines.aiops.params import load_aiops_params
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import RENAMED_FIGURES as RENAMED
from pipelines.core.evidence import new_ids, refuse_old
from pipelines.release.kpis.formula import Kpi
from pipelines.release.kpis.values import trend

CHECK = {"id": "a", "protects": "p", "compare": "at_most", "threshold": 0, "owner": "o",
         "reason": "r"}  # fmt: skip
KPI = {"id": "k", "owner": "o", "measures": "m", "target": 0, "direction": "at_most",
       "product": "alert_noise_reduction"}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_policy_that_names_an_old_figure_is_told_its_new_id(
    tmp_path: Path, old: str, new: str
) -> None:
    def load(figure: str) -> Any:
        checks = {"aiops": {"gate_rules": {"checks": [{**CHECK, "figure": figure}]}}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(checks), encoding="utf-8")
        return load_aiops_params(tmp_path)

    with pytest.raises(SignalboxError, match=f"gate_rules: check a: figure {old} is now {new}$"):
        load(old)
    assert load(new).gate_rules.checks[0].figure == new


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_formula_that_names_an_old_figure_is_told_its_new_id(old: str, new: str) -> None:
    with pytest.raises(ValidationError, match=f"figure {old} is now {new}"):
        Kpi(**KPI, formula=f"1 - {old}")
    assert Kpi(**KPI, formula=f"1 - {new}").formula == f"1 - {new}"


def test_no_new_id_is_an_old_one() -> None:
    assert not set(RENAMED) & set(RENAMED.values())
    assert len(set(RENAMED.values())) == len(RENAMED)
    for new in RENAMED.values():
        refuse_old(new)


@dataclass(frozen=True)
class Entry:
    seq: int
    figures: dict[str, float]
    time: str = "2026-01-01T00:00:00Z"
    kind: str = "run"
    subject: str = "alert_noise_reduction"

    @property
    def data(self) -> dict[str, Any]:
        return {"run": f"r{self.seq}", "figures": self.figures}


def test_a_kpi_is_followed_over_releases_made_under_old_ids() -> None:
    kpi = Kpi(**KPI, formula="replay_rules.missed + replay_rules.saved_share")
    entries = [
        Entry(1, {"replay_rules.lost": 3.0, "replay_rules.saved_share": 0.5}),
        Entry(2, {"replay_rules.missed": 1.0, "replay_rules.saved_share": 0.5}),
    ]
    assert [point.value for point in trend(kpi, entries, "alert_noise_reduction")] == [3.5, 1.5]
    assert new_ids({"replay_rules.lost": 1, "train.x": 2}) == {
        "replay_rules.missed": 1,
        "train.x": 2,
    }
