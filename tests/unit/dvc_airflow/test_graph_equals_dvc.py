"""The cheap graph says exactly what DVC's own index says."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.public_graphs import DIFFERENT, EQUAL, REFUSED, judge, read_dvcs, read_ours
from dvc_airflow.graph import load_graph
from tests.unit.dvc_airflow import mutated_projects

SAMPLES: dict[str, dict[str, str]] = {
    "a chain, a diamond and every option of an output": {
        "dvc.yaml": """
            stages:
              a: {cmd: a, outs: [x.txt: {cache: false, desc: plain}]}
              b:
                cmd: [one, two]
                deps: [x.txt]
                desc: two commands
                outs:
                  - y: {persist: true, remote: far, push: false}
                  - z
                frozen: true
                always_changed: true
              c: {cmd: c, deps: [x.txt, y/part/of.txt], metrics: [m.json: {cache: false}]}
              d:
                cmd: d
                deps: [m.json, z]
                plots: [p.csv: {x: a, y: b, cache: false}, q.csv]
                meta: {any: [thing]}
            """,
    },
    "directories around and inside outputs": {
        "dvc.yaml": """
            stages:
              a: {cmd: a, outs: [data/raw/a.csv]}
              b: {cmd: b, outs: [data/raw/b]}
              all: {cmd: all, deps: [data], outs: [out]}
              part: {cmd: part, deps: [out/deep/er.txt, ./data/raw/b/../b/c]}
              root: {cmd: root, deps: [.]}
            """,
    },
    "foreach over a list, a dict, a variable, and composite items": {
        "params.yaml": """
            names: [us, 'no', yes, 1.0, 1e3, true, null]
            models: {small: {n: 1}, large: {n: 2, extra: [1, 2]}}
            flags: [true, false]
            """,
        "dvc.yaml": """
            stages:
              literal: {foreach: [a, b, true, 1.5, null], do: {cmd: 'echo ${item}'}}
              names: {foreach: '${names}', do: {cmd: 'echo ${item}', outs: ['o/${item}']}}
              flags: {foreach: '${flags}', do: {cmd: 'echo ${item}'}}
              mixed: {foreach: ['${flags[0]}', 'x${flags[1]}'], do: {cmd: 'echo ${item}'}}
              models:
                foreach: ${models}
                do:
                  cmd: train ${key} ${item.n} ${models.small.n}
                  outs: ['models/${key}']
                  params: ['models.${key}']
              composite:
                foreach: [{n: 1, m: a}, {n: 2, m: b}]
                do: {cmd: 'run ${item.n} ${item[m]}', deps: ['models/small']}
              keyed: {foreach: {1: one, two: 2}, do: {cmd: '${key} ${item}'}}
            """,
    },
    "matrix": {
        "params.yaml": "sizes: [1, 2]\nsubs: [{a: 1}, {a: 2}]\n",
        "dvc.yaml": """
            stages:
              m:
                matrix: {size: '${sizes}', kind: [x, true], sub: '${subs}'}
                cmd: run ${item.size} ${item.kind} ${item.sub.a} ${key}
                outs: ['o-${item.size}-${item.kind}-${item.sub.a}']
              n:
                matrix: {model: [cnn, xgb], opt: [[1, 2], [3]]}
                cmd: run ${item.model} ${item.opt[0]}
                deps: ['o-1-x-1']
            """,
    },
    "vars: local, files, files with keys, of a stage; and escapes": {
        "params.yaml": "p: {q: from-params}\nlist: [1, [2, 3]]\n",
        "more.json": '{"j": {"k": "json"}, "other": 1}',
        "some.toml": 'title = "toml"\n[table]\nx = 1.5\n',
        "code.py": "A = 1\nclass B:\n    c = 'py'\n    def __init__(self):\n        self.d = [1]\n",
        "dvc.yaml": r"""
            vars:
              - more.json:j
              - some.toml
              - code.py
              - p: {r: local}
              - name: v
            stages:
              a:
                cmd: echo ${p.q} ${p.r} ${j.k} ${title} ${table.x} ${A} ${B.c} ${B.d[0]} \${ESC}
                vars: [{own: {deep: 1}}, more.json:other]
                outs: ['${name}-${own.deep}-${other}']
              b:
                cmd: echo ${list[1][0]} ${ p.q } ${list.0}
                wdir: sub/${name}
                deps: [../../v-1-1]
                outs: ['${name}']
            """,
        "sub/v/.keep": "",
    },
    "dictionaries as options": {
        "params.yaml": """
            o: {flag: true, off: false, text: a b, num: 1, deep: {er: 2.5}, lst: [1, 'x y']}
            """,
        "dvc.yaml": "stages:\n  a: {cmd: 'run ${o}'}\n",
    },
    "dictionaries as options, in another style": {
        ".dvc/config": "[core]\n    no_scm = true\n[parsing]\n    bool = boolean_optional\n"
        "    list = append\n",
        "params.yaml": "o: {flag: true, off: false, lst: [1, 2]}\n",
        "dvc.yaml": "stages:\n  a: {cmd: ['run ${o}', 'again ${o}']}\n",
    },
    "several files, each with its own params, and edges across": {
        "params.yaml": "x: root\n",
        "dvc.yaml": "stages:\n  a: {cmd: 'a ${x}', outs: [shared/a]}\n",
        "sub/params.yaml": "x: sub\n",
        "sub/dvc.yaml": """
            stages:
              train: {cmd: 'train ${x}', deps: [../shared/a], outs: [model], params: [x]}
              each: {foreach: [1, 2], do: {cmd: 'e ${item}', deps: [model]}}
            """,
        "sub/deep/dvc.yaml": """
            stages:
              up: {cmd: up, wdir: ../.., deps: [sub/model], params: [x, {sub/params.yaml: }]}
            """,
    },
    "data tracked by .dvc files": {
        "data.dvc": "outs:\n- md5: 22a1a2931c8370d3aeedd7183606fd7f\n  size: 1\n  path: data\n",
        "dvc.yaml": "stages:\n  a: {cmd: a, deps: [data/x.csv], outs: [b]}\n",
    },
    "parameters that another stage makes": {
        "dvc.yaml": """
            stages:
              tune: {cmd: tune, outs: [best.yaml, {tuned/more.yaml: {cache: false}}]}
              train: {cmd: train, params: [{best.yaml: [lr]}], outs: [model]}
              test: {cmd: test, params: [{tuned/more.yaml: }]}
            """,
    },
    "params in every form": {
        "params.yaml": "a: {b: 1}\nc: 2\n",
        "other.yaml": "x: 1\n",
        "dvc.yaml": """
            stages:
              one: {cmd: one, params: [a.b, c, {other.yaml: [x]}, {other.yaml: [y]}]}
              two: {cmd: two, params: [c, {params.yaml: }, {other.yaml: }]}
              three: {cmd: three, wdir: sub, params: [{../other.yaml: [x]}]}
            """,
        "sub/.keep": "",
    },
    "an ignored directory and an output with a dvc.yaml in it": {
        ".dvcignore": "skip/\n*.tmp.dvc\n",
        "skip/dvc.yaml": "stages:\n  no: {cmd: no}\n",
        "made/dvc.yaml": "stages:\n  neither: {cmd: no}\n",
        "bad.tmp.dvc": "not yaml: [",
        "dvc.yaml": "stages:\n  a: {cmd: a, outs: [made]}\n",
    },
    "remote dependencies, and YAML 1.2": {
        "dvc.yaml": """
            stages:
              a: {cmd: a, deps: ['https://example.com/x.csv'], desc: on}
              b:
                cmd: >
                  folded
                  text
                outs: ['012', yes]
              base: &base {cmd: base}
              c: {<<: *base, outs: [c.txt]}
            """,
    },
    "top-level sections": {
        "dvc.yaml": """
            stages:
              a: {cmd: a, outs: [m.json, n.json]}
            params: [params.yaml]
            metrics: [m.json]
            plots: [p.csv, q: {x: a, y: {f.csv: b}}]
            artifacts: {model: {path: n.json, type: model, desc: d, labels: [a], meta: 1}}
            """,
    },
    "nothing at all": {"dvc.yaml": ""},
}


def according_to_dvc(root: Path) -> dict[str, Any]:
    from dvc.repo import Repo

    def shown(path: str) -> str:
        inside_root = path == str(root) or path.startswith(f"{root}{os.sep}")
        return os.path.relpath(path, root) if inside_root else path

    with contextlib.chdir(root), Repo(str(root)) as repo:
        stages = [s for s in repo.index.stages if s.cmd is not None]
        deps = {s: [d for d in s.deps if d not in s.params] for s in stages}
        return {
            "stages": {
                s.addressing: {
                    "cmd": s.cmd,
                    "wdir": os.path.relpath(s.wdir, root),
                    "deps": [shown(d.fs_path) if d.protocol == "local" else "" for d in deps[s]],
                    "params": {shown(p.fs_path): list(p.params) for p in s.params},
                    "outs": [
                        (shown(o.fs_path), o.use_cache, o.persist, o.can_push, o.remote)
                        for o in s.outs
                    ],
                    "flags": (s.frozen, s.always_changed, s.desc, s.meta),
                    "group": s.raw_data.generated_from,
                }
                for s in stages
            },
            "edges": {
                (up.addressing, down.addressing)
                for down, up in repo.index.graph.edges
                if up.cmd is not None
            },
        }


def according_to_us(root: Path) -> dict[str, Any]:
    graph = load_graph(root)
    return {
        "stages": {
            s.address: {
                "cmd": s.cmd if isinstance(s.cmd, str) else list(s.cmd),
                "wdir": s.wdir,
                "deps": ["" if "://" in d.path else d.path for d in s.deps],
                "params": {file: list(keys) for file, keys in s.params.items()},
                "outs": [(o.path, o.cache, o.persist, o.push, o.remote) for o in s.outs],
                "flags": (s.frozen, s.always_changed, s.desc, s.meta),
                "group": s.group,
            }
            for s in graph
        },
        "edges": graph.edges(),
    }


@pytest.mark.parametrize("files", SAMPLES.values(), ids=SAMPLES)
def test_it_equals_dvcs_index(files, write_project):
    root = write_project(files)
    ours, theirs = according_to_us(root), according_to_dvc(root)
    assert ours["stages"] == theirs["stages"]
    assert ours["edges"] == theirs["edges"]


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-3, 99),
    st.sampled_from(["a", "b c", "yes", "1e3", "012", "ü", "it's", "null", "~"]),
    st.floats(0, 9, allow_nan=False).map(lambda x: round(x, 3)),
    st.none(),
)
KEYS = st.sampled_from(["p", "q", "r"])
PARAMS = st.dictionaries(
    KEYS,
    st.one_of(
        SCALARS,
        st.lists(SCALARS, min_size=1, max_size=3),
        st.dictionaries(KEYS, st.one_of(SCALARS, st.lists(SCALARS, min_size=1)), min_size=1),
    ),
    min_size=3,
)


def leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, f"{path}[{i}]")
    else:
        yield path


def containers(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict | list) and path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from containers(item, f"{path}.{key}" if path else key)


@st.composite
def projects(draw: st.DrawFn) -> dict[str, str]:
    """Random pipelines: each stage reads outputs of some stages before it."""
    params = draw(PARAMS)
    names = list(leaves(params, ""))
    loops = list(containers(params))
    stages: dict[str, Any] = {}
    outs: list[str] = []
    for number in range(draw(st.integers(1, 6))):
        deps = draw(st.lists(st.sampled_from(outs), max_size=3, unique=True)) if outs else []
        words = draw(st.lists(st.sampled_from(names), max_size=3))
        body: dict[str, Any] = {
            "cmd": " ".join(["run", *(f"${{{word}}}" for word in words)]),
            "deps": [f"{dep}/in/side" if draw(st.booleans()) else dep for dep in deps],
        }
        kind = draw(st.sampled_from(["plain", "foreach", "matrix"]))
        folder = draw(st.sampled_from([f"o{number}", f"deep/o{number}"]))
        outs.append(folder)
        if kind == "plain":
            stages[f"s{number}"] = {**body, "outs": [folder]}
        elif kind == "foreach":
            over = f"${{{draw(st.sampled_from(loops))}}}" if loops else ["a", "b"]
            stages[f"s{number}"] = {"foreach": over, "do": body}
        else:
            axis = draw(st.lists(SCALARS, min_size=1, max_size=3))
            stages[f"s{number}"] = {"matrix": {"x": axis, "y": ["1", "2"]}, **body}
    return {
        "params.yaml": yaml.safe_dump(params, allow_unicode=True),
        "dvc.yaml": yaml.safe_dump({"stages": stages}, sort_keys=False, allow_unicode=True),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=projects())
def test_it_equals_dvcs_index_for_any_pipeline(files):
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / ".dvc").mkdir()
        (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
        for name, text in files.items():
            (folder / name).write_text(text)
        assert according_to_us(folder) == according_to_dvc(folder)
    finally:
        shutil.rmtree(folder)


OK = "stages:\n  a: {cmd: x, outs: [o]}\n"
HASH = "22a1a2931c8370d3aeedd7183606fd7f"
# Files, and a word of the error; none where both accept.
KINDS: dict[str, tuple[dict[str, str], str]] = {
    "a tab before a comment": (
        {"dvc.yaml": "stages:\n  a:\n    cmd: x\t# c\n    outs: [o]\n"},
        "write spaces",
    ),
    "a tab in params.yaml": ({"params.yaml": "q:\t1\n", "dvc.yaml": OK}, "params.yaml:1: .*spaces"),
    "a tab inside quotes and block texts": (
        {"dvc.yaml": "stages:\n  a:\n    desc: 'x\ty'\n    cmd: |\n      a\tb\n"},
        "",
    ),
    "a stage in a .dvc file": ({"t.dvc": "cmd: x\nouts:\n- path: t\n"}, "dvc stage add"),
    "an output with metric": (
        {"t.dvc": f"outs:\n- path: t\n  metric: false\n  md5: {HASH}\n"},
        "t.dvc:3: 'metric' cannot stand here",
    ),
    "an unknown key in a .dvc file": ({"t.dvc": "outs:\n- path: t\n  sizes: 3\n"}, "sizes"),
    "a wrong type in a .dvc file": ({"t.dvc": "outs:\n- path: t\n  size: big\n"}, "whole number"),
    "a long list of files": (
        {
            "t.dvc": "outs:\n- path: t\n  files:\n"
            + "".join(f"  - relpath: f{i}\n    md5: {HASH}\n    size: {i}\n" for i in range(300))
        },
        "",
    ),
    "a long list of files with a file that has no name": (
        {
            "t.dvc": "outs:\n- path: t\n  files:\n"
            + "".join(f"  - relpath: f{i}\n    md5: {HASH}\n" for i in range(300))
            + f"  - md5: {HASH}\n"
        },
        "t.dvc:604: 'relpath' is missing",
    ),
    "a long list of files with a number for a name": (
        {
            "t.dvc": "outs:\n- path: t\n  files:\n"
            + "".join(f"  - relpath: f{i}\n    md5: {HASH}\n" for i in range(300))
            + f"  - relpath: 12\n    md5: {HASH}\n"
        },
        "t.dvc:604: 'relpath' must be a string",
    ),
    "a lock file of DVC 1": ({"dvc.lock": "a:\n  cmd: x\n"}, "no 'schema'"),
    "a lock file of another schema": ({"dvc.lock": "schema: '3.0'\n"}, "must be '2.0'"),
    "an empty lock file": ({"dvc.lock": ""}, "no 'schema'"),
    "a conflict in a lock file": (
        {"dvc.lock": "schema: '2.0'\nstages:\n<<<<<<< HEAD\n  a: {cmd: x}\n=======\n>>>>>>> b\n"},
        "dvc.lock:3: .*merge conflict",
    ),
    "a lock file that git ignores": ({".gitignore": "*.lock\n"}, "git ignores it"),
    "a lock file ignored in a folder above": (
        {".gitignore": "sub/*.lock\n", "sub/dvc.yaml": OK},
        "sub/dvc.lock:1: git ignores it",
    ),
    "a broken lock file that .dvcignore leaves out": (
        {".dvcignore": "dvc.lock\n", "dvc.lock": "{"},
        "",
    ),
    "a broken dvc.yaml that git ignores": ({".gitignore": "sub/\n", "sub/dvc.yaml": "{"}, ""),
    "a broken .dvc file in a folder that is left out": (
        {".dvcignore": "sub\n", "sub/x.dvc": "{"},
        "",
    ),
    "an output that .dvcignore leaves out": ({".dvcignore": "o\n"}, "check-ignore o"),
    "an output left out by a nested .dvcignore": (
        {"sub/.dvcignore": "*.tmp\n", "dvc.yaml": "stages:\n  a: {cmd: x, outs: [sub/a.tmp]}\n"},
        "check-ignore sub/a.tmp",
    ),
    "an output that is let in again": (
        {".dvcignore": "*\n!o\n!dvc.yaml\n", "dvc.yaml": OK},
        "",
    ),
    "an artifact without a path": (
        {"dvc.yaml": "artifacts:\n  m: {type: model}\n" + OK},
        "dvc.yaml:2: artifact 'm' needs a 'path'",
    ),
    "an unknown option of a plot at the top": (
        {"dvc.yaml": "plots:\n- p.csv: {foo: a}\n" + OK},
        "dvc.yaml:2: unknown key 'foo' for a plot",
    ),
    "a plot at the top whose columns are in several files": (
        {"dvc.yaml": "plots:\n- p: {x: {a.csv: s}, y: {a.csv: [b], c.csv: d}}\n" + OK},
        "",
    ),
    "a data set that is a number": ({"dvc.yaml": "datasets: 3\n" + OK}, "a list of data sets"),
    "a metric at the top that names no variable": (
        {"dvc.yaml": "metrics: ['${no}']\n" + OK},
        "no variable 'no'",
    ),
    "a URL of a kind that DVC does not know": (
        {"dvc.yaml": "stages:\n  a: {cmd: x, deps: ['file://o']}\n"},
        "no URLs that begin with 'file://'",
    ),
    "a path that only looks like a URL": (
        {"dvc.yaml": OK + "  b: {cmd: x, deps: ['file:///o', 'a:o']}\n"},
        "",
    ),
    "a remote that is not configured": (
        {"dvc.yaml": "stages:\n  a: {cmd: x, deps: ['remote://nope/k']}\n"},
        "no remote 'nope'",
    ),
    "a storage whose package is not installed": (
        {"dvc.yaml": "stages:\n  a: {cmd: x, deps: ['oss://b/k']}\n"},
        "dvc-oss",
    ),
    "a remote that is a folder of the project": (
        {
            ".dvc/config": "['remote \"far\"']\n    url = ../data\n",
            "dvc.yaml": "stages:\n  a: {cmd: x, outs: [data/o]}\n"
            "  b: {cmd: y, deps: ['remote://FAR/o']}\n",
        },
        "",
    ),
    "a .dvc file as a dependency": (
        {"dvc.yaml": "stages:\n  a: {cmd: x, deps: [d.dvc]}\n"},
        "cannot be a dependency",
    ),
    "YAML 1.1": ({"dvc.yaml": "%YAML 1.1\n---\nstages:\n  a: {cmd: x, frozen: yes}\n"}, ""),
    "binary data": ({"params.yaml": "q: !!binary aGk=\nr: 1\n", "dvc.yaml": OK}, ""),
    "an unknown tag": ({"params.yaml": "q: !x 1\n", "dvc.yaml": OK}, "params.yaml:1"),
    "a merge of two mappings that share a key": (
        {"params.yaml": "a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc: {<<: [*a, *b]}\n", "dvc.yaml": OK},
        "",
    ),
    "an import between two stages": (
        {
            "a.dvc": "deps:\n- path: made\nouts:\n- path: a\n",
            "dvc.yaml": "stages:\n  m: {cmd: x, outs: [made]}\n  b: {cmd: y, deps: [a]}\n",
        },
        "",
    ),
    "a frozen import between two stages": (
        {
            "a.dvc": "frozen: true\ndeps:\n- path: made\nouts:\n- path: a\n",
            "dvc.yaml": "stages:\n  m: {cmd: x, outs: [made]}\n  b: {cmd: y, deps: [a]}\n",
        },
        "",
    ),
    "a cycle through an import": (
        {
            "a.dvc": "frozen: true\ndeps:\n- path: made\nouts:\n- path: a\n",
            "dvc.yaml": "stages:\n  m: {cmd: x, deps: [a], outs: [made]}\n",
        },
        "wait for each other",
    ),
    "a dependency above the project": (
        {"dvc.yaml": OK + "  b: {cmd: y, deps: [..]}\n"},
        "",
    ),
    "an item with an at sign": (
        {"dvc.yaml": "stages:\n  a: {foreach: ['x@y'], do: {cmd: x}}\n"},
        "finds no stage 'a@x@y'",
    ),
    "a matrix over a text and a mapping": (
        {
            "params.yaml": "m: {k: 1, l: 2}\n",
            "dvc.yaml": "stages:\n  a: {matrix: {x: ab, y: '${m}'}, cmd: 'x ${item.y}'}\n",
        },
        "",
    ),
    "an unknown section of the configuration": ({".dvc/config": "[nope]\na = 1\n"}, "'nope'"),
}


@pytest.mark.parametrize(("files", "words"), KINDS.values(), ids=KINDS)
def test_it_refuses_what_dvc_refuses(files, words, tmp_path):
    root = tmp_path / "project"
    subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)
    mutated_projects.write(root, {"dvc.yaml": OK, **files})

    ours, dvcs = read_ours(root), read_dvcs(root)

    assert judge(ours, dvcs) == (REFUSED if words else EQUAL), (ours, dvcs)
    assert re.search(words, ours.problem)


@pytest.mark.parametrize("seed", range(3))
def test_a_mistake_in_any_file_is_one_for_both_or_for_none(seed, tmp_path):
    found = mutated_projects.differences(random.Random(seed), tmp_path)
    outcomes = set()
    for outcome, files, said in itertools.islice(found, 25):
        assert outcome != DIFFERENT, f"{said}\n{files}"
        outcomes.add(outcome)
    assert outcomes == {EQUAL, REFUSED}
