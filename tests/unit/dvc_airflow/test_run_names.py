"""Run ids become file names and git refs, and different ones stay different."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvc_airflow.runtime.run_key import RunKey, safe_name


@pytest.mark.parametrize(
    ("run_id", "name"),
    [
        ("manual__2026-01-31T10:20:30.123456+00:00", "manual__2026-01-31T10.20.30.123456+00.00"),
        (
            "asset_triggered__2026-01-31T10:20:30+00:00_aB3",
            "asset_triggered__2026-01-31T10.20.30+00.00_aB3",
        ),
        ("nightly", "nightly"),
    ],
)
def test_usual_ids_stay_readable(run_id, name):
    assert safe_name(run_id) == name


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_any_id_is_a_file_name_and_a_ref(run_id):
    name = safe_name(run_id)
    assert "/" not in name
    assert len(name.encode()) < 200
    ref = RunKey("dag", run_id).ref()
    assert subprocess.run(["git", "check-ref-format", ref], check=False).returncode == 0


@given(st.lists(st.text(alphabet="ab:./-", min_size=1, max_size=4), unique=True))
def test_different_ids_have_different_names(run_ids):
    assert len({safe_name(run_id) for run_id in run_ids}) == len(run_ids)


@pytest.mark.parametrize(
    ("run_id", "other"),
    [
        ("manual__2026-01-31T10:20:30+00:00", "manual__2026-01-31T10.20.30+00.00"),
        ("manual__2026-01-31T10:20:30.5Z", "manual__2026-01-31T10.20.30.5Z"),
        ("manual__2026-01-31T10:20:30", "manual__2026-01-31T10:20.30"),
        ("a b", safe_name("a b")),
        ("manual__2026-01-31T10.20.30", safe_name("manual__2026-01-31T10.20.30")),
    ],
)
def test_no_id_can_be_chosen_that_gives_the_name_of_another(run_id, other):
    assert safe_name(run_id) != safe_name(other)


@given(st.text(alphabet="abT:.=-_+0123", min_size=1, max_size=30))
def test_the_name_of_an_id_is_no_other_ids_name(run_id):
    name = safe_name(run_id)
    assert name == run_id or safe_name(name) != name


def test_groups_of_one_run_are_told_apart():
    one, two = RunKey("d", "r", "x"), RunKey("d", "r")
    assert (one.ref(), two.ref()) == ("refs/runs/d/r.x", "refs/runs/d/r")
