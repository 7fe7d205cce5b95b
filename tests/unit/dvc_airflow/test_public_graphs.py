"""The comparison with DVC over a folder of clones counts what is equal, refused and different."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks import public_graphs
from dvc_airflow.graph import load_graph

PIPELINE = (
    "stages:\n"
    "  a: {cmd: a, deps: [data], outs: [x]}\n"
    "  b: {cmd: b, deps: [x], outs: [y]}\n"
    "  c: {cmd: c, deps: [live, x]}\n"
)
LIVE = "deps:\n- path: y\nouts:\n- path: live\n"


def commit(repository: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "x"], cwd=repository, check=True)


@pytest.fixture
def clones(tmp_path: Path) -> Path:
    """Two repositories: one with a history that nobody can read, one with two projects in it."""
    for name in ("one", "two"):
        subprocess.run(["git", "init", "-q", str(tmp_path / name)], check=True)
    one, two = tmp_path / "one", tmp_path / "two"
    commit(one, {".dvc/config": "", "dvc.yaml": "stages:\n  a:\tx\n"})
    commit(one, {"dvc.yaml": PIPELINE, "live.dvc": LIVE, "data.dvc": "outs:\n- path: data\n"})
    commit(one, {"README": "nothing of DVC's"})
    commit(two, {"m/.dvc/config": "", "m/dvc.yaml": PIPELINE, "n/.dvc/config": ""})
    (tmp_path / "notes").mkdir()
    return tmp_path


def rows(text: str) -> dict[str, list[str]]:
    head, *lines = text.splitlines()
    assert head.startswith("repository")
    return {line.split()[0]: line.split()[1:] for line in lines if " ms " in line}


def test_equal_projects_are_counted_with_their_edges(clones, capsys):
    assert public_graphs.main(["--data", str(clones)]) == 0
    found = rows(capsys.readouterr().out)
    assert [found[name][:4] for name in ("one", "two", "total")] == [
        ["1", "0", "0", "4"],
        ["2", "0", "0", "2"],
        ["3", "0", "0", "6"],
    ]
    assert float(found["total"][-1]) > 1


def test_history_reads_versions_that_changed_a_file_of_dvc(clones, capsys):
    assert public_graphs.main(["--data", str(clones), "--history", "5"]) == 0
    found = rows(capsys.readouterr().out)
    assert [found[name][:3] for name in ("one", "two")] == [["2", "1", "0"], ["2", "0", "0"]]


def test_a_difference_is_printed_and_ends_with_one(clones, capsys, monkeypatch):
    def forgetful(project: Path):
        graph = load_graph(project)
        graph.upstream["b"] = frozenset()
        return graph

    monkeypatch.setattr(public_graphs, "load_graph", forgetful)
    assert public_graphs.main(["--data", str(clones)]) == 1
    out = capsys.readouterr().out
    assert rows(out)["one"][:3] == ["0", "0", "1"]
    assert "edges [('a', 'b')] in one only" in out


def test_what_only_one_of_them_refuses_is_a_difference():
    fine, refused = public_graphs.Reading(), public_graphs.Reading(problem="dvc.yaml:1: no")
    assert public_graphs.judge(refused, fine) == public_graphs.DIFFERENT
    assert public_graphs.judge(fine, refused) == public_graphs.DIFFERENT
    assert public_graphs.judge(refused, refused) == public_graphs.REFUSED


def test_a_folder_without_clones_is_said_so(tmp_path, capsys):
    assert public_graphs.main(["--data", str(tmp_path)]) == 2
    assert "holds no git clone" in capsys.readouterr().err
