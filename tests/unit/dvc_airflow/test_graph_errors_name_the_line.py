"""Whatever is wrong in dvc.yaml is reported as ``file:line: what``."""

from __future__ import annotations

import pytest

from dvc_airflow.errors import PipelineError, ProjectError
from dvc_airflow.graph import load_graph

# (files, where, words that the message must contain)
WRONG = {
    "bad YAML": ("stages:\n  a: [\n", 3, "not valid YAML"),
    "an unknown key at the top": ("stages: {}\nstagges: {}\n", 2, "allowed are artifacts"),
    "an unknown key in a stage": (
        "stages:\n  a:\n    cmd: a\n    output: x\n",
        4,
        "unknown key 'output' in a stage; allowed are always_changed, cmd",
    ),
    "an unknown option of an output": (
        "stages:\n  a:\n    cmd: a\n    outs:\n    - x:\n        cached: no\n",
        6,
        "allowed are cache",
    ),
    "a stage twice": ("stages:\n  a: {cmd: a}\n  a: {cmd: b}\n", 3, "duplicate key 'a'"),
    "no command": ("stages:\n  a:\n    deps: [x]\n", 2, "needs 'cmd'"),
    "nothing as a command": ("stages:\n  a:\n    cmd:\n", 3, "'cmd' must be a string"),
    "a number as a dependency": ("stages:\n  a:\n    cmd: a\n    deps: [x, 3]\n", 4, "a string"),
    "a string as a list": ("stages:\n  a:\n    cmd: a\n    outs: x\n", 4, "a list of paths"),
    "a string as a flag": ("stages:\n  a:\n    cmd: a\n    frozen: 'yes'\n", 4, "true or false"),
    "an output made twice": (
        "stages:\n  a: {cmd: a, outs: [x]}\n  b: {cmd: b, outs: [./x]}\n",
        3,
        "'x' is made by both 'a' and 'b'",
    ),
    "outputs that overlap": (
        "stages:\n  a: {cmd: a, outs: [d/x]}\n  b: {cmd: b, outs: [d]}\n",
        3,
        "overlaps with 'd/x' of 'a'",
    ),
    "a cycle": (
        "stages:\n  a: {cmd: a, deps: [y], outs: [x]}\n  b: {cmd: b, deps: [x], outs: [y]}\n",
        2,
        "wait for each other: ",
    ),
    "a stage that reads itself": ("stages:\n  a: {cmd: a, deps: [x], outs: [x]}\n", 2, "a -> a"),
    "a missing variable": (
        "vars: [{model: {size: 1}}]\nstages:\n  a:\n    cmd: go\n    outs:\n    - ${model.sise}\n",
        6,
        "no variable 'model.sise'; there is size",
    ),
    "a malformed placeholder": ("stages:\n  a:\n    cmd: go ${a..b}\n", 3, "cannot read '${a..b}'"),
    "a list in a text": (
        "vars: [{x: [1]}]\nstages:\n  a:\n    cmd: go ${x}!\n",
        4,
        "a list cannot",
    ),
    "a variables file that is not there": ("vars:\n- no.yaml\nstages: {}\n", 1, "does not exist"),
    "a variable defined twice": ("vars: [{x: 1}, {x: 2}]\n", 1, "'x' is defined twice"),
    "placeholders in vars": ("vars:\n- x: ${y}\n", 2, "'vars' cannot contain"),
    "foreach over a number": (
        "vars: [{x: 1}]\nstages:\n  a:\n    foreach: ${x}\n    do: {cmd: a}\n",
        4,
        "needs a list or a mapping, not a int",
    ),
    "foreach without do": ("stages:\n  a:\n    foreach: [1]\n", 2, "both 'foreach' and 'do'"),
    "foreach with a command beside it": (
        "stages:\n  a:\n    foreach: [1]\n    do: {cmd: a}\n    cmd: b\n",
        5,
        "beside 'foreach'",
    ),
    "matrix over a number": (
        "vars: [{n: 1}]\nstages:\n  a:\n    matrix: {x: '${n}'}\n    cmd: a\n",
        4,
        "needs a list",
    ),
    "an at sign in a name": ("stages:\n  a@b: {cmd: a}\n", 2, "may not contain '@'"),
    "a number as a name": ("stages:\n  1: {cmd: a}\n", 2, "must be a string"),
    "a list instead of a mapping": ("- a\n", 1, "must be a mapping"),
    "a date as a variable": ("vars: [{x: 2020-01-01}]\n", 1, "put it in quotes"),
    "a reserved variable": (
        "stages:\n  a:\n    foreach: [1]\n    do:\n      cmd: a\n      vars: [{item: 2}]\n",
        6,
        "'item' is reserved",
    ),
    "an unhashable placeholder as a path": (
        "vars: [{x: [1]}]\nstages:\n  a:\n    cmd: a\n    outs: ['${x}']\n",
        5,
        "a list cannot",
    ),
    "a number from a variable as a path": (
        "vars: [{x: 1}]\nstages:\n  a:\n    cmd: a\n    deps: ['${x}']\n",
        5,
        "a path must be a string",
    ),
    "a merge of a list": ("x: &x [1]\nstages:\n  <<: *x\n", 3, "'<<' can only merge"),
    "an unknown tag": ("stages: !thing {}\n", 1, ""),
}


@pytest.mark.parametrize(("text", "line", "words"), WRONG.values(), ids=WRONG)
def test_the_error_points_at_the_line(text, line, words, write_project):
    root = write_project({"dvc.yaml": text})

    with pytest.raises(PipelineError) as caught:
        load_graph(root)

    assert str(caught.value).startswith(f"dvc.yaml:{line}: ")
    assert words in caught.value.problem


def test_an_error_in_a_file_of_variables_points_into_that_file(write_project):
    root = write_project({"params.yaml": "a: 1\nb: [\n", "dvc.yaml": "stages: {}\n"})

    with pytest.raises(PipelineError, match=r"^params\.yaml:3: this is not valid YAML"):
        load_graph(root)


def test_an_error_in_another_directory_names_its_path(write_project):
    root = write_project({"sub/dvc.yaml": "stages:\n  a: {}\n"})

    with pytest.raises(PipelineError, match=r"^sub/dvc\.yaml:2: "):
        load_graph(root)


def test_a_directory_without_dvc_is_no_project(tmp_path):
    with pytest.raises(ProjectError, match="run 'dvc init'"):
        load_graph(tmp_path)


def test_a_directory_that_is_not_there_is_no_project(tmp_path):
    with pytest.raises(ProjectError, match="does not exist"):
        load_graph(tmp_path / "no")
