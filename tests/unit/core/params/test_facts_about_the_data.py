"""Section ``report`` states facts of one data set; about another one it says nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipelines.core.params import Params, load_params
from pipelines.core.settings import FactsAboutData, is_filled_in, not_filled_in
from tests.conftest import ROOT

WORDS = ("owner", "purpose", "not_for", "contact")


def made(tmp_path: Path, report: dict[str, Any], **data: Any) -> Params:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["data"] |= data
    raw["report"] |= report
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    return load_params(path)


def test_the_demo_says_what_it_says(tmp_path: Path) -> None:
    report = made(tmp_path, {}).report
    assert all(is_filled_in(getattr(report, word)) for word in WORDS)
    assert "UCI Adult" in report.title
    assert "census" in report.notice


def test_of_other_data_it_says_which_keys_are_not_filled_in(tmp_path: Path) -> None:
    report = made(tmp_path, {}, name="loans").report
    for word in WORDS:
        assert getattr(report, word) == not_filled_in(
            f"report.{word}", "params.yaml", elsewhere=True
        )
    assert (report.title, report.notice) == ("Model of loans", "")


@pytest.mark.parametrize("about", [None, "", "loans"])
def test_a_section_about_this_data_or_about_any_holds(tmp_path: Path, about: str | None) -> None:
    report = made(tmp_path, {"data_set": about, "purpose": "To lend"}, name="loans").report
    assert report.purpose == "To lend"


class Facts(FactsAboutData):
    SETTINGS = frozenset({"days"})
    days: int = 1
    who: str = ""


def test_settings_stay_and_facts_go() -> None:
    section = Facts(data_set="adult", days=7, who="the demo")
    assert section.facts_about("adult") is section
    assert section.facts_about("loans") == Facts(data_set="adult", days=7)
    assert Facts(who="any").facts_about("loans").who == "any"
    with pytest.raises(ValidationError):
        Facts(data_set="no slug!")


@pytest.mark.parametrize(
    ("text", "filled"), [(None, False), (" ", False), (not_filled_in("a.b"), False), ("x", True)]
)
def test_a_placeholder_is_no_answer(text: str | None, filled: bool) -> None:
    assert is_filled_in(text) is filled
