"""Who is asked and for how long: looked at without the typed models, and never more loosely."""

import subprocess
import sys
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from pipelines.core.errors import SignalboxError
from signalbox_airflow.analysis_work import asked_window
from signalbox_airflow.parsing import Policy, policy, time_of
from tests.conftest import ROOT

PLAIN = "approval: {approvers: [alice, bob], timeout_seconds: 60, on_reject: stop}\n"


def written(project: Path, text: str) -> Path:
    (project / "release.yaml").write_text(text, encoding="utf-8")
    return project


FINDS_THE_PROJECT = ["pipelines.core", "pipelines.core.errors", "pipelines.core.project"]


def test_a_plain_section_needs_no_typed_model(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'plugins')!r}]\n"
        "from pathlib import Path\n"
        "from signalbox_airflow.parsing import policy\n"
        f"print(policy(Path({str(written(tmp_path, PLAIN))!r})))\n"
        "print([name for name in sys.modules if name.startswith('pipelines.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == [
        str(Policy(("alice", "bob"), 60)),
        str(FINDS_THE_PROJECT),
    ]


@pytest.mark.parametrize("text", ["", "approval: {approvers: [admin]}\n", "kpis: {}\n"])
def test_what_is_left_out_has_the_models_defaults(tmp_path: Path, text: str) -> None:
    assert policy(written(tmp_path, text)) == Policy(("admin",), 259_200)


def test_without_the_file_the_defaults_hold(tmp_path: Path) -> None:
    assert policy(tmp_path) == Policy(("admin",), 259_200)


def test_two_people_may_override_where_the_file_says_so(tmp_path: Path) -> None:
    text = PLAIN.replace("stop", "ask_override")
    assert policy(written(tmp_path, text)) == Policy(("alice", "bob"), 60, asks_override=True)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("[alice, bob]", "[]", "approvers"),
        ("[alice, bob]", "alice", "approvers"),
        ("[alice, bob]", "[alice, 3]", "approvers"),
        ("[alice, bob]", "[alice, Alice]", "each name once"),
        ("[alice, bob]", "[alice, ' bob']", "each name once"),
        ("60", "0", "timeout_seconds"),
        ("60", "true", "timeout_seconds"),
        ("60", "1.5", "timeout_seconds"),
        ("stop", "go", "on_reject"),
        ("[alice, bob], timeout_seconds: 60, on_reject: stop",
         "[alice], timeout_seconds: 60, on_reject: ask_override", "two different people"),
    ],
)  # fmt: skip
def test_a_wrong_value_stops_the_reading_and_is_named(
    tmp_path: Path, old: str, new: str, word: str
) -> None:
    with pytest.raises(SignalboxError, match=word):
        policy(written(tmp_path, PLAIN.replace(old, new)))


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"release\.yaml: not valid YAML"):
        policy(written(tmp_path, "approval: ["))


def test_a_time_without_zone_is_utc() -> None:
    assert time_of("2026-03-02T10:00:00").isoformat() == "2026-03-02T10:00:00+00:00"
    assert time_of("2026-03-02T10:00:00+02:00").isoformat() == "2026-03-02T10:00:00+02:00"
    assert time_of("2026-03-02T10:00:00.000Z").utcoffset() is not None


def test_a_form_names_both_ends_of_a_window_or_none() -> None:
    assert asked_window(None, None) is None
    asked = asked_window("2026-03-02T10:00:00Z", "2026-03-02T11:00:00.123Z")
    assert asked is not None
    assert [at.isoformat() for at in asked] == [
        "2026-03-02T10:00:00+00:00",
        "2026-03-02T11:00:00+00:00",
    ]
    with pytest.raises(AirflowFailException, match="both start and end"):
        asked_window("2026-03-02T10:00:00Z", None)
    with pytest.raises(AirflowFailException, match="isn't after its start"):
        asked_window("2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z")
