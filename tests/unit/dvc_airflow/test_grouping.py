"""How stages are put into tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvc_airflow.errors import GroupingError, TargetError
from dvc_airflow.graph import Graph, Stage, load_graph, select_stages
from dvc_airflow.grouping import group_stages

FILES = {
    "dvc.yaml": """
        stages:
          d: {cmd: d, deps: [b, c], outs: [d]}
          a: {cmd: a, outs: [a]}
          b: {cmd: b, deps: [a], outs: [b]}
          c: {cmd: c, deps: [a], outs: [c]}
        """
}


@pytest.fixture
def graph(write_project):
    return load_graph(write_project(FILES))


def grouped(graph, granularity, targets=None):
    units = group_stages(graph, select_stages(graph, targets), granularity)
    return {unit.name: (list(unit.stages), sorted(unit.upstream)) for unit in units}


def test_by_default_a_task_is_a_stage(graph):
    assert grouped(graph, "stage") == {
        "a": (["a"], []),
        "b": (["b"], ["a"]),
        "c": (["c"], ["a"]),
        "d": (["d"], ["b", "c"]),
    }


def test_a_pipeline_is_one_task_whose_stages_are_in_running_order(graph):
    assert grouped(graph, "pipeline") == {"pipeline": (["a", "b", "c", "d"], [])}


def test_named_groups_and_the_rest_alone(graph):
    assert grouped(graph, {"middle": ["b", "c"]}) == {
        "a": (["a"], []),
        "middle": (["b", "c"], ["a"]),
        "d": (["d"], ["middle"]),
    }


def test_a_group_may_name_stages_that_are_not_selected(graph):
    assert grouped(graph, {"all": ["b", "d"]}, ["b"]) == {"a": (["a"], []), "all": (["b"], ["a"])}


def test_a_group_around_something_else_is_refused(graph):
    with pytest.raises(GroupingError, match=r"'ends' cannot be one task.*between its stages"):
        grouped(graph, {"ends": ["a", "d"]})


def test_groups_that_wait_for_each_other_are_refused(write_project):
    files = {
        "dvc.yaml": """
            stages:
              a1: {cmd: a, outs: [a1]}
              a2: {cmd: a, deps: [b1]}
              b1: {cmd: b, outs: [b1]}
              b2: {cmd: b, deps: [a1]}
            """
    }
    graph = load_graph(write_project(files))
    with pytest.raises(GroupingError, match="cannot be one task"):
        grouped(graph, {"a": ["a1", "a2"], "b": ["b1", "b2"]})


def test_a_stage_in_two_groups_is_refused(graph):
    with pytest.raises(GroupingError, match="'a' is in two groups: 'x' and 'y'"):
        grouped(graph, {"x": ["a"], "y": ["a"]})


def test_a_group_named_like_another_stage_is_refused(graph):
    with pytest.raises(GroupingError, match="has the name of a stage"):
        grouped(graph, {"a": ["b"]})


def test_an_unknown_stage_in_a_group_is_refused(graph):
    with pytest.raises(TargetError, match="'nope' is no stage"):
        grouped(graph, {"x": ["nope"]})


def test_another_granularity_is_refused(graph):
    with pytest.raises(GroupingError, match="must be 'stage', 'pipeline' or a mapping"):
        grouped(graph, "task")


@given(st.data())
def test_units_can_always_run_one_after_the_other(data):
    size = data.draw(st.integers(1, 8))
    names = [f"s{i}" for i in range(size)]
    stage = {name: Stage(name, name, "dvc.yaml", 1, "x", ".") for name in names}
    upstream = {
        name: frozenset(data.draw(st.sets(st.sampled_from(names[:i])))) if i else frozenset()
        for i, name in enumerate(names)
    }
    labels = data.draw(st.lists(st.sampled_from(["g", "h", None]), min_size=size, max_size=size))
    groups: dict[str, list[str]] = {}
    for name, label in zip(names, labels, strict=True):
        if label:
            groups.setdefault(label, []).append(name)
    graph = Graph("/", stage, upstream)

    try:
        units = group_stages(graph, data.draw(st.permutations(names)), groups)
    except GroupingError:
        return
    order = [address for unit in units for address in unit.stages]
    assert sorted(order) == sorted(names)
    for unit in units:
        for position, address in enumerate(unit.stages):
            inside = upstream[address] & set(unit.stages)
            assert inside <= set(unit.stages[:position])
