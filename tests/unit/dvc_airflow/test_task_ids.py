"""A stage's name is its task's name wherever Airflow allows it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvc_airflow.errors import NamingError
from dvc_airflow.naming import address_of, task_id_of, task_ids

ADDRESSES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("address", "task_id"),
    [
        ("bias_audit", "bias_audit"),
        ("train@0", "train__0"),
        ("train@a-b", "train__a-b"),
        ("train@x0-y1.5", "train__x0-y1.5"),
        ("sub/dvc.yaml:train", "sub.train"),
        ("a/b/dvc.yaml:train@us east", "a.b.train__us_east"),
        ("größe", "größe"),
    ],
)
def test_a_task_is_named_after_its_stage(address, task_id):
    assert task_id_of(address) == task_id


@given(ADDRESSES)
def test_every_id_is_one_that_airflow_accepts(address):
    assert re.fullmatch(r"[\w.-]+", task_id_of(address))


@given(st.lists(ADDRESSES, unique=True))
def test_ids_lead_back_to_their_stages_or_are_refused(addresses):
    try:
        ids = task_ids(addresses)
    except NamingError:
        assert len({task_id_of(address) for address in addresses}) < len(addresses)
    else:
        assert [address_of(ids[address], ids) for address in addresses] == addresses


def test_two_stages_with_one_id_are_refused():
    with pytest.raises(NamingError, match=r"'t@a b' and 't@a/b' would both be .* 't__a_b'"):
        task_ids(["t@a/b", "t@a b"])


def test_the_bridges_own_names_are_taken():
    with pytest.raises(NamingError, match="the bridge itself"):
        task_ids(["save_run"], reserved=["save_run"])
