"""Which stages some targets select."""

from __future__ import annotations

import pytest

from dvc_airflow.errors import TargetError
from dvc_airflow.graph import load_graph, select_stages

FILES = {
    "raw.dvc": "outs: [{path: raw, md5: 22a1a2931c8370d3aeedd7183606fd7f}]\n",
    "dvc.yaml": """
        stages:
          clean: {cmd: c, deps: [raw], outs: [clean]}
          train:
            foreach: [a, b]
            do: {cmd: 't ${item}', deps: [clean], outs: ['models/${item}']}
          old: {cmd: o, deps: [clean], outs: [old], frozen: true}
          report: {cmd: r, deps: [models, old], outs: [report.html]}
          other: {cmd: x, outs: [other]}
        """,
    "sub/dvc.yaml": """
        stages:
          use: {cmd: u, deps: [../report.html], outs: [used]}
          train: {matrix: {x: [1, 2]}, cmd: 'm ${item.x}'}
        """,
}
ROOT = ["clean", "train@a", "train@b", "old", "report", "other"]


@pytest.fixture
def graph(write_project):
    return load_graph(write_project(FILES))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (None, ROOT),
        (["clean"], ["clean"]),
        (["train@b"], ["clean", "train@b"]),
        (["train"], ["clean", "train@a", "train@b"]),
        ("train*", ["clean", "train@a", "train@b"]),
        (["models/a"], ["clean", "train@a"]),
        (["models/b/weights.bin"], ["clean", "train@b"]),
        (["models"], ["clean", "train@a", "train@b"]),
        (["old"], ["old"]),
        (["report.html"], ["clean", "train@a", "train@b", "old", "report"]),
        (["dvc.yaml"], ROOT),
        (["sub/dvc.yaml:use"], [*ROOT[:5], "sub/dvc.yaml:use"]),
        (["./sub/dvc.yaml:train"], ["sub/dvc.yaml:train@1", "sub/dvc.yaml:train@2"]),
        (["sub"], [*ROOT[:5], *(f"sub/dvc.yaml:{n}" for n in ("use", "train@1", "train@2"))]),
        ([], []),
    ],
)
def test_targets_bring_what_they_read_from(graph, targets, expected):
    assert select_stages(graph, targets) == expected


def test_downstream_brings_what_reads_from_them(graph):
    found = select_stages(graph, ["train@a"], downstream=True)
    assert found == ["train@a", "report", "sub/dvc.yaml:use"]


def test_a_frozen_stage_is_not_downstream_of_anything(graph):
    assert "old" not in select_stages(graph, ["clean"], downstream=True)


def test_an_unknown_target_suggests_known_ones(graph):
    with pytest.raises(TargetError, match=r"'trian' is no stage.*did you mean train"):
        select_stages(graph, ["trian"])


def test_data_is_not_a_target(graph):
    with pytest.raises(TargetError, match=r"data tracked by raw\.dvc"):
        select_stages(graph, ["raw/file.csv"])
