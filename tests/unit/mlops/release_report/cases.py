"""A small release in an empty folder: every evidence file, as the stages would leave it."""

import random
from pathlib import Path
from typing import Any

import yaml

from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Params, load_params
from pipelines.mlops import gate
from pipelines.release.released import NOTHING_RELEASED
from tests.conftest import ROOT

Details = dict[str, Any]

NASTY = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)> 'quoted'",
    "\u202eright to left\u202c שלום مرحبا",
    "👩🏽‍🚀 & </td></table>",
    "long " + "x" * 500,
]


def number(figure_id: str, value: float | None, **more: Any) -> Figure:
    label = more.pop("label", figure_id.split(".")[1].replace("_", " "))
    base = {"label": label, "value": value, "method": "count", "n": 1000}
    return Figure(**{"id": figure_id, **base, **more})


def ingest(columns: list[str] | None = None) -> Details:
    names = columns or ["age", "sex", "job", "income"]
    return {
        "source": "toy",
        "kind": "csv",
        "files": [{"address": "data/toy.csv", "sha256": "a" * 64, "rows": 1010}],
        "columns": [{"name": n, "type": "categorical", "missing": 0, "distinct": 3} for n in names],
        "labels": {"no": 750, "yes": 250},
        "subject_key": None,
    }


def validate(quarantined: int = 10, reason: str = "nobody is 200 years old") -> Details:
    rule = {"rule": "age is plausible", "action": "quarantine", "reason": reason}
    return {
        "counts": {"in": 1010, "kept": 1010 - quarantined, "quarantined": quarantined},
        "rules": [
            {**rule, "kept": not quarantined, "broken_rows": quarantined, "observed": "some"}
        ],
        "columns": [],
    }


def split(kept: int = 1000) -> Details:
    def part(rows: int, wanted: float) -> Details:
        return {
            "rows": rows,
            "subjects": rows,
            "positives": rows // 4,
            "share": rows / kept,
            "wanted_share": wanted,
        }

    rest = kept - 850
    parts = {"test": part(rest, 0.15), "train": part(700, 0.7), "validation": part(150, 0.15)}
    return {"parts": parts, "salt": "s"}


def train(job: str = "job") -> Details:
    point = {"selection_rate": 0.2, "accuracy": 0.8, "precision": 0.7, "recall": 0.6}
    scores = {"roc_auc": 0.9, "neg_log_loss": -0.3}
    return {
        "rows": {"train": 700, "validation": 150},
        "chosen": {"kind": "logistic_regression", "settings": {"C": 1.0}, "position": 0},
        "selection": {"metric": "roc_auc", "rule": "highest mean", "folds": 3, "how": "hash"},
        "search": [
            {
                "kind": "logistic_regression",
                "settings": {"C": 1.0},
                "chosen": True,
                "converged": False,
                "mean": scores,
                "std": {"roc_auc": 0.01, "neg_log_loss": 0.02},
            }
        ],
        "calibration": {"method": "isotonic", "how": "isotonic", "class_weight": "none"},
        "threshold": {
            "value": 0.4,
            "rule": "fixed",
            "words": "as given",
            "at": {"threshold": 0.4, **point},
            "curve": [{"threshold": t / 10, **point} for t in range(11)],
        },
        "inputs": [
            {"kind": "numeric", "name": "age", "low": 17, "high": 90, "missing_share": 0.0},
            {
                "kind": "categorical",
                "name": job,
                "categories": ["a", "b", "c", "d", "e", job],
                "other_values": 1,
                "other_share": 0.01,
                "missing_share": 0.1,
            },
        ],
        "left_out": [{"name": "sex", "reason": "sensitive"}],
        "importance": {
            "how": "shuffled",
            "rows": 150,
            "columns": [{"name": "age", "roc_auc_drop": 0.1, "log_loss_rise": 0.05}],
        },
        "notes": ["A note."],
    }


def evaluate(slices: list[str] | None = None, released: Details | None = None) -> Details:
    metric = {"value": 0.9, "low": 0.8, "high": 0.95, "missing": ""}
    made = [
        {
            "feature": "job",
            "value": value,
            "rows": 50,
            "positives": 10,
            "share": 0.3,
            "missing": "",
            "figures": {"roc_auc": metric, "accuracy": metric},
        }
        for value in slices or ["clerk"]
    ]
    small = {**made[0], "value": "rare", "figures": {}, "missing": "fewer than 50 rows"}
    return {
        "rows": 150,
        "positives": 37,
        "subjects": 150,
        "bootstrap": {"replicates": 100, "confidence": 0.95, "method": "bootstrap"},
        "confusion": {
            "true_positive": 20,
            "false_positive": 10,
            "false_negative": 17,
            "true_negative": 103,
        },
        "slices": [*made, small],
        "released": released,
    }


def estimate(value: float | None, n: int = 150, **more: Any) -> Details:
    """An estimate of the bias audit; 0.05 to both sides unless `more` says other bounds."""
    low, high = (None, None) if value is None else (max(0.0, value - 0.05), value + 0.05)
    found = {"value": value, "low": low, "high": high, "level": 0.95, "n": n, "method": "toy"}
    return {**found, "undefined_share": 0.0, "reason": None, **more}


def group(name: str, rate: float = 0.2, role: str = "compared") -> Details:
    def one(value: float, n: int) -> Details:
        found = estimate(value, n, numerator=round(value * n), wilson=None, bootstrap=None)
        return {**found, "high": min(1.0, found["high"])}

    undefined = {**one(0.0, 0), "value": None, "low": None, "high": None, "reason": "no positives"}
    return {
        "group": name,
        "levels": {"sex": name},
        "role": role,
        "n": 75,
        "subjects": 70,
        "share": 0.01 if role == "excluded" else 0.5,
        "tn": 50,
        "fp": 5,
        "fn": 10,
        "tp": 10,
        "rates": {
            "selection_rate": one(rate, 75),
            "tpr": undefined if role == "excluded" else one(0.6, 20),
            "fpr": one(0.1, 55),
            "base_rate": one(0.25, 75),
            "precision": one(0.7, 15),
            "accuracy": one(0.8, 75),
        },
        "calibration": {
            "mean_score": 0.3,
            "observed_rate": 0.28,
            "gap": 0.02,
            "ece": 0.03,
            "bins": [],
        },
    }


def audit(names: list[str], dimension: str = "sex") -> Details:
    low, high = names[0], names[-1]
    groups = [group(n, 0.1 if n == low else 0.3) for n in names]
    groups.append(group("tiny", 0.1, "excluded"))
    test = {
        "dimension": dimension,
        "group": low,
        "reference": high,
        "selected": 7,
        "n": 75,
        "reference_selected": 22,
        "reference_n": 75,
        "effective_n": 70.0,
        "reference_effective_n": 70.0,
        "fisher_p": 0.0001,
        "holm_p": 0.0002,
        "significant": True,
        "z": -3.1,
        "z_p": 0.002,
        "cohens_h": -0.5,
        "odds_ratio": 0.3,
        "notes": [],
    }
    return {
        "rows": 150,
        "subjects": 140,
        "level": 0.95,
        "replicates": 100,
        "seed": 0,
        "overall": group("all", role="all"),
        "summary": [],
        "alpha": 0.05,
        "min_share": 0.02,
        "orientation": "assistive",
        "favourable_rate": "selection_rate",
        "harmful_rates": ["fnr", "for"],
        "tests_corrected": 1,
        "dimensions": [
            {
                "dimension": dimension,
                "features": [dimension],
                "reference": high,
                "groups": groups,
                "impact_ratios": [
                    {
                        "group": n,
                        "versus": high,
                        **estimate(0.33 if n == low else 1.0, low=0.25, high=0.41),
                        "below_four_fifths": n == low,
                    }
                    for n in names
                ],
                "gaps": [],
                "against_reference": [],
                "disparities": [],
                "tests": [test],
                "exclusions": [
                    {
                        "group": "tiny",
                        "n": 2,
                        "subjects": 1,
                        "share": 0.01,
                        "selection_rate": 0.1,
                        "favourable_rate": 0.1,
                        "reason": "too few rows",
                    }
                ],
                "unknown": {"n": 3, "share": 0.02, "groups": ["unknown"]},
                "empty_groups": ["nobody"],
            }
        ],
        "notes": ["A method."],
    }


def mitigation(names: list[str]) -> Details:
    rates = {"selection_rate": 0.2}
    return {
        "feature": "sex",
        "constraint": "demographic_parity",
        "threshold": 0.4,
        "rows_validation": 150,
        "rows_test": 150,
        "overall": [{"name": "accuracy", "before": 0.9, "after": 0.8, "change": estimate(0.1)}],
        "disparity": [
            {
                "name": "demographic_parity_ratio",
                "before": 0.3,
                "after": None,
                "change": estimate(None, reason="undefined"),
            }
        ],
        "groups": [
            {
                "group": n,
                "n": 75,
                "subjects": 70,
                "mitigated": n == names[0],
                "reason": "too few",
                "before": rates,
                "after": rates,
                "gained": 1,
                "lost": 2,
            }
            for n in names
        ],
    }


def fairness(names: list[str] | None = None) -> Details:
    groups = names or ["Female", "Male"]
    return {**NO_FAIRNESS, "audit": audit(groups), "mitigation": mitigation(groups)}


NO_FAIRNESS: Details = {
    "audit": None, "mitigation": None, "mitigation_missing": "", "threshold": 0.4,
}  # fmt: skip


def drift(column: str = "job", reason: str = NOTHING_RELEASED) -> Details:
    one = {
        "column": column,
        "role": "input",
        "method": "m",
        "distance": 0.2,
        "threshold": 0.1,
        "missing_reference": 0.0,
        "missing_current": 0.1,
        "drifted": True,
        "problem": "",
    }
    other = {**one, "column": "empty", "distance": None, "problem": "only one table has values"}
    return {
        "methods": {"numbers": "Wasserstein", "texts": "Jensen-Shannon", "why": ""},
        "top_values": 50,
        "comparisons": [
            {
                "title": "Train data against test data",
                "reference": "train",
                "current": "test",
                "rows_reference": 700,
                "rows_current": 150,
                "columns": [one, other],
            }
        ],
        "released": {"name": None, "reason": reason},
    }


def figures(
    low: str = "Female", high: str = "Male", width: float = 0.01
) -> dict[str, list[Figure]]:
    """Figures of every stage; `width` is half the width of the intervals."""

    def bounded(figure_id: str, value: float, **more: Any) -> Figure:
        bounds = {"low": value - width, "high": value + width, "level": 0.95}
        return number(figure_id, value, **bounds, **more)

    where = {"dimension": "sex", "lowest": low, "highest": high}
    return {
        "ingest": [number("ingest.rows", 1010, unit="rows")],
        "validate": [number("validate.quarantined_share", 0.0099, unit="share")],
        "split": [number("split.test_rows", 150, unit="rows")],
        "train": [number("train.threshold", 0.4)],
        "evaluate": [
            bounded("evaluate.roc_auc", 0.9),
            bounded("evaluate.log_loss", 0.3, unit="nats"),
            number("evaluate.baseline_log_loss", 0.5),
            number("evaluate.delta_log_loss", None, unit="nats", missing=NOTHING_RELEASED),
            number("evaluate.worst_slice_roc_auc", 0.7, where={"job": low}),
        ],
        "bias_audit": [
            bounded("bias_audit.worst_impact_ratio:sex", 0.33, unit="ratio", where=where)
        ],
        "drift": [number("drift.drifted_share", 0.1, unit="share", where={"column": low})],
    }


def checks(*, ratio: float = 0.8, label: str = "") -> list[Details]:
    def one(check_id: str, figure: str, compare: str, threshold: float) -> Details:
        return {
            "id": check_id,
            "protects": f"{check_id} is sound{label}",
            "figure": figure,
            "compare": compare,
            "threshold": threshold,
            "owner": f"somebody{label}",
            "reason": f"engineering judgement{label}",
        }

    return [
        one("ranking", "evaluate.roc_auc", "at_least", 0.85),
        one("regression", "evaluate.delta_log_loss", "not_worse_than_released", 0.01),
        one("ratio", "bias_audit.worst_impact_ratio:sex", "at_least", ratio),
    ]


def leave(
    details: dict[str, Details] | None = None,
    found: dict[str, list[Figure]] | None = None,
    policy: list[Details] | None = None,
    changes: dict[str, dict[str, Any]] | None = None,
) -> Params:
    """Leave a release in the present folder, gate it, and return its params."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["gate"]["checks"] = policy or checks()
    for section, values in (changes or {}).items():
        raw[section].update(values)
    Path("params.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    _tables()
    everything = {
        "ingest": ingest(),
        "validate": validate(),
        "split": split(),
        "train": train(),
        "evaluate": evaluate(),
        "bias_audit": fairness(),
        "drift": drift(),
        **(details or {}),
    }
    for stage, content in everything.items():
        write_evidence(
            Path(f"evidence/{stage}.json"),
            Evidence(
                stage=stage,
                inputs=hash_inputs(Path("data/toy.csv"), Path("models/model.json")),
                figures={**figures(), **(found or {})}[stage],
                details=content,
            ),
        )
    params = load_params()
    gate.main(params)
    return params


def _tables() -> None:
    write_text(Path("data/toy.csv"), "age,sex\n")
    write_json(Path("models/model.json"), {"kind": "toy"})
    rows = [i / 10 for i in range(11)]
    curve = "\n".join(f"{x},{x**0.5:.4f},{1 - x}" for x in rows)
    write_text(
        Path("plots/roc.csv"), f"false_positive_rate,true_positive_rate,threshold\n{curve}\n"
    )
    write_text(Path("plots/precision_recall.csv"), f"recall,precision,threshold\n{curve}\n")
    bins = "\n".join(f"{x},{x},{max(0, x - 0.05)},{min(1, x + 0.05)},10" for x in rows)
    write_text(Path("plots/calibration.csv"), f"mean_score,observed_rate,low,high,rows\n{bins}\n")
    drawn = random.Random(0)
    scores = "\n".join(f"{x},{drawn.randint(0, 9)},{y}" for y in ("no", "yes") for x in rows)
    write_text(Path("plots/score_histogram.csv"), f"score,rows,label\n{scores}\n")
