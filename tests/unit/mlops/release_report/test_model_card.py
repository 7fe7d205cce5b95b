"""The model card has the form that Hugging Face documents, and the figures of the evidence."""

import re
from typing import Any

import pytest
import yaml

from pipelines.core.artifacts import MODEL_CARD
from pipelines.mlops import report

from . import cases

# Keys of the Hub's model card metadata (hub-docs, modelcard.md), and those of its parts.
FRONT = {
    "language", "license", "license_name", "license_link", "library_name", "tags", "datasets",
    "metrics", "base_model", "pipeline_tag", "model-index", "thumbnail", "new_version",
}  # fmt: skip
TASK = {"type", "name"}
DATASET = {"type", "name", "config", "split", "revision", "args"}
METRIC = {"type", "value", "name", "config", "args", "verified", "verifyToken"}
SECTIONS = [
    "Model Details", "Uses", "Bias, Risks, and Limitations", "Training Details", "Evaluation",
    "Model Card Contact",
]  # fmt: skip


def parts(card: str) -> tuple[dict[str, Any], str]:
    """Split a card as the Hub does: YAML between two lines of dashes, then Markdown."""
    found = re.match(r"^---\n(.*?)\n---\n(.*)$", card, re.DOTALL)
    assert found is not None
    return yaml.safe_load(found[1]), found[2]


def card(details: Any = None, **more: Any) -> str:
    inputs = report.gather_inputs(cases.leave(details))
    return report.model_card(inputs, **more)


def test_the_front_matter_has_only_keys_that_are_documented(here) -> None:
    front, _ = parts(card())
    assert set(front) <= FRONT
    [entry] = front["model-index"]
    assert set(entry) == {"name", "results"}
    [result] = entry["results"]
    assert set(result) == {"task", "dataset", "metrics"}
    assert set(result["task"]) <= TASK
    assert set(result["dataset"]) <= DATASET
    assert {"type", "name"} <= set(result["dataset"])
    for metric in result["metrics"]:
        assert {"type", "value"} <= set(metric) <= METRIC
        assert isinstance(metric["value"], float)
    assert front["metrics"] == [metric["type"] for metric in result["metrics"]]
    assert front["metrics"]
    assert all(isinstance(tag, str) for tag in front["tags"])


def test_the_license_is_what_the_publisher_says_and_else_unknown(here) -> None:
    assert parts(card())[0]["license"] == "unknown"
    assert parts(card(license_id="apache-2.0"))[0]["license"] == "apache-2.0"


def test_the_figures_are_those_of_the_evidence(here) -> None:
    inputs = report.gather_inputs(cases.leave())
    front, body = parts(report.model_card(inputs))
    figure = inputs.figure("evaluate.roc_auc")
    assert figure is not None
    values = {m["type"]: m["value"] for m in front["model-index"][0]["results"][0]["metrics"]}
    assert values["roc_auc"] == figure.value
    assert "95% interval" in body


def test_the_sections_are_those_of_the_template(here) -> None:
    _, body = parts(card())
    heads = re.findall(r"^## (.*)$", body, re.MULTILINE)
    assert [head for head in heads if head in SECTIONS] == SECTIONS


def test_every_check_stands_in_the_card_with_its_verdict(here) -> None:
    inputs = report.gather_inputs(cases.leave())
    _, body = parts(report.model_card(inputs))
    for check in inputs.evidence["gate"].details["checks"]:
        name = check["id"].replace("_", r"\_")
        assert re.search(rf"^\| {re.escape(name)} \| (pass|fail|not applicable) ", body, re.M)


@pytest.mark.parametrize("nasty", cases.NASTY, ids=["script", "quotes", "rtl", "emoji", "long"])
def test_what_stands_in_the_data_is_neither_markup_nor_a_cell(here, nasty: str) -> None:
    details = {
        "ingest": cases.ingest([nasty, "income"]),
        "train": cases.train(nasty),
        "bias_audit": cases.fairness([nasty, "Male"]),
    }
    params = cases.leave(details, cases.figures(low=f"{nasty}|`x`"))
    front, body = parts(report.model_card(report.gather_inputs(params)))
    assert set(front) <= FRONT
    bare = re.sub(r"\\.", "", body)
    assert "<" not in bare
    assert "`x`" not in bare


def test_the_stage_leaves_the_card_and_the_same_evidence_gives_the_same_bytes(here) -> None:
    report.main(cases.leave())
    first = MODEL_CARD.read_bytes()
    report.main(cases.leave())
    assert MODEL_CARD.read_bytes() == first
    assert first.startswith(b"---\nlicense: unknown\n")
