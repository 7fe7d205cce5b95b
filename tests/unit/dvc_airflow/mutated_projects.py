"""Small DVC projects as a person writes them, and what typing mistakes make of them.

``python -m tests.unit.dvc_airflow.mutated_projects --seed 1 --seconds 600`` compares the bridge's
graph with DVC's index at length; `test_graph_equals_dvc` does so for a few seeds.
"""

from __future__ import annotations

import argparse
import copy
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.public_graphs import DIFFERENT, judge, read_dvcs, read_ours

Files = dict[str, str]

_HASH = "22a1a2931c8370d3aeedd7183606fd7f"
SEEDS: list[Files] = [
    {
        "params.yaml": (
            "seed: 1\ntrain: {lr: 0.1, layers: [1, 2], opt: adam}\n"
            "names: [us, uk]\nmodels: {a: {n: 1}, b: {n: 2}}\n"
        ),
        "conf.yaml": "size: 3\nother: 4\n",
        "other.json": '{"a": 1}',
        "dvc.yaml": """\
vars: [{folder: out}, conf.yaml:size]
params: [params.yaml, conf.yaml]
metrics: [m/score.json]
plots:
- p/curve.csv: {x: step, y: [loss, acc], title: Loss}
- all: {x: {p/curve.csv: step}, y: {p/curve.csv: [loss], p/other.csv: acc}, x_label: s}
- p/other.csv
artifacts:
  model: {path: out/model.bin, type: model, desc: best, labels: [a, b], meta: {k: v}}
datasets:
- {name: d, type: dc, rev: v1}
stages:
  prep:
    cmd: [python prep.py, echo done]
    deps: [raw/data.csv, prep.py]
    params: [seed, {conf.yaml: [size]}, {other.json: }]
    outs: ['${folder}/clean.csv', {tmp/x: {cache: false, persist: true, desc: d, labels: [l]}}]
  train:
    cmd: train ${train}
    wdir: .
    deps: ['${folder}/clean.csv', ds://d]
    params: [train]
    outs: [out/model.bin]
    metrics: [m/score.json: {cache: false}]
    plots: [p/curve.csv: {x: step, y: loss, template: linear, header: true}, p/other.csv]
    frozen: false
    always_changed: true
    desc: trains
    meta: {who: me}
  each:
    foreach: ${names}
    do: {cmd: 'e ${item} ${size}', deps: [out/model.bin], outs: ['e/${item}']}
  keyed:
    foreach: ${models}
    do: {cmd: 'k ${key} ${item.n}', deps: ['e/us'], outs: ['k/${key}'], vars: [{own: 1}]}
  grid:
    matrix: {x: [1, 2], y: '${names}'}
    cmd: g ${item.x} ${item.y} ${key}
    deps: [k]
    outs: ['g/${item.x}-${item.y}']
  end: {cmd: z, deps: [g, e/uk, tmp]}
""",
        "raw/data.csv.dvc": f"outs:\n- md5: {_HASH}\n  size: 10\n  hash: md5\n  path: data.csv\n",
        "dvc.lock": f"""\
schema: '2.0'
stages:
  prep:
    cmd:
    - python prep.py
    - echo done
    deps:
    - path: raw/data.csv
      hash: md5
      md5: {_HASH}
      size: 10
    params:
      params.yaml:
        seed: 1
    outs:
    - path: out/clean.csv
      hash: md5
      md5: {_HASH}.dir
      size: 10
      nfiles: 2
      files:
      - relpath: a
        md5: {_HASH}
        size: 5
      - relpath: b
        md5: {_HASH}
        size: 5
  train:
    cmd: train --lr 0.1
    outs:
    - path: out/model.bin
      md5: {_HASH}
      isexec: true
      cloud:
        far:
          etag: {_HASH}
          version_id: abc
""",
    },
    {
        "dvc.yaml": (
            "stages:\n  a: {cmd: a, outs: [x]}\n  b: {cmd: b, deps: [x, sub/made], outs: [y]}\n"
        ),
        "sub/dvc.yaml": (
            "stages:\n  m: {cmd: m, deps: [../x, data], outs: [made], params: [k]}\n"
            "  up: {cmd: u, wdir: .., deps: [y], outs: [z]}\n"
        ),
        "sub/params.yaml": "k: 1\n",
        "sub/data.dvc": (
            f"wdir: .\nfrozen: true\ndeps:\n- path: ../src\nouts:\n- md5: {_HASH}.dir\n"
            "  size: 7\n  nfiles: 2\n  path: data\n"
        ),
        "imp.dvc": (
            f"md5: {_HASH}\nfrozen: true\ndeps:\n- path: data/x.xml\n  repo:\n"
            "    url: https://example.org/repo\n    rev_lock: 96fd8f12903025db9eb967740ee6cf3e\n"
            f"outs:\n- md5: {_HASH}\n  hash: md5\n  path: imp\n"
        ),
        "url.dvc": (
            "deps:\n- path: https://h.org/file.csv\n  checksum: '\"abc\"'\n"
            "outs:\n- path: urlfile\n  cache: true\n  desc: x\n"
        ),
        "live.dvc": "deps:\n- path: y\nouts:\n- path: live\n",
        "deep/er/dvc.yaml": (
            "stages:\n  d: {cmd: d, deps: [../../live, ../../imp, ../../urlfile], outs: [o]}\n"
        ),
        "cloud.dvc": (
            "outs:\n- path: cloud\n  remote: far\n  files:\n  - relpath: a.txt\n"
            f"    md5: {_HASH}\n    size: 3\n    cloud:\n      far:\n        etag: {_HASH}\n"
            f"        version_id: x1\n  - relpath: b.txt\n    md5: {_HASH}\n    size: 3\n"
        ),
        ".dvc/config": (
            "[core]\n    remote = far\n['remote \"far\"']\n    url = ../far\n"
            "['remote \"web\"']\n    url = https://h.org/base\n"
        ),
    },
    {
        "params.py": "A = 1\nclass B:\n    c = [1, 2]\n",
        "params.yaml": (
            "p: &p {q: 1}\nr: {<<: *p, s: 2}\nlist: [1, [2, 3]]\nflag: true\nnone: null\n"
        ),
        "more.toml": "title = 'x'\n[t]\nv = 1\n",
        "dvc.yaml": r"""
vars:
- params.py
- more.toml
stages:
  one:
    cmd: echo ${A} ${t.v} ${r.q} ${list[1][0]} \${ESC}
    outs:
    - ${title}/o
  two:
    foreach: [{n: 1, m: a}, {n: 2, m: b}]
    do:
      cmd: >-
        two ${item.n}
        ${item[m]}
      wdir: w
      deps:
      - ../${title}
      outs:
      - ${item.m}:
          cache: false
  three:
    matrix:
      a: [cnn, xgb]
      b: ['${flag}', x]
    cmd: three ${item.a} ${item.b}
    deps: [w/a, w/b]
""",
    },
]
_IGNORED_WORDS = """
*.tmp out out/ /out *.csv !out e/* tmp/ **/x sub sub/ * dvc.lock /dvc.yaml *.dvc m/ [a-m]* k/? \\#x
raw/* !raw/data.csv.dvc sub/dvc.lock deep y x w/ data made !made live* out/** **/er/** !*.dvc d*
"""
_IGNORED = _IGNORED_WORDS.split()
_KEY_WORDS = """
cmd deps outs metrics plots params vars wdir frozen desc meta foreach do matrix stages artifacts
datasets cache persist path md5 size metric type locked always_changed schema hash relpath files
repo url remote push x y title labels checkpoint db config cloud fs_config live etag isexec a b
version_id
"""
_KEYS = _KEY_WORDS.split()
_VALUES: list[Any] = [
    *("", None, True, 1, 1.5, [], {}, ["x"], {"a": 1}, "x", "out", "..", "../out", "/abs/x", "."),
    *("file://o", "file:///o", "remote://far/k", "remote://nope/k", "remote://web/k", "s3://b/k"),
    *("http://h/x", "x.dvc", "dvc.yaml", "${seed}", "${nope}", "${", "a${p.q}", "ds://d", "a@b"),
    *("a:b", "sub", "e", "${names}", "${train}", "${a..b}", "yes", "2.0", "~/x", "x/", "x/../y"),
]
_TYPED = ["\t", " ", "\n", ":", "- ", "#", "'", '"', "{", "}", "[", "]", ",", "!", "!!str "]
_TYPED += ["%YAML 1.1\n---\n", "---\n", "<<: ", "${", "<<<<<<< HEAD\n", ">>>>>>> b\n", "yes", "&a "]
_LOCKS = [
    "",
    "schema: 2.0\nstages: {}\n",
    "schema: '1.0'\n",
    "schema: '2.0'\n",
    "a: {cmd: x}\n",
    "[]\n",
    "schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: x, md5: 1}]}}\n",
    "schema: '2.0'\ndatasets: 5\nstages: {a: {cmd: x, params: {p: {a: 1}}}}\n",
]
_CONFIGS = [
    "[core]\n    no_scm = true\n",
    "[core]\nno_scm = maybe\n",
    "[parsing]\nbool = boolean_optional\nlist = append\n",
    "[parsing]\nlist = x\n",
    "[nope]\na = 1\n",
    "[core]\nnope = 1\n",
    "['remote \"far\"']\n    url = ../far\n['remote \"far2\"']\n    url = remote://far/x\n",
    "['remote \"far\"']\n    nourl = 1\n",
    "a = 1\n",
    "[core\n",
    '[cache]\ntype = "reflink,copy"\n',
]


def mutate(rng: random.Random, files: Files) -> Files:
    """Return a project with one mistake, or two."""
    found = dict(files)
    for _ in range(rng.choice([1, 1, 1, 2])):
        _mutate_once(rng, found)
    return found


def _mutate_once(rng: random.Random, files: Files) -> None:
    name = rng.choice([name for name in files if not name.startswith(".git")])
    chance = rng.random()
    if chance < 0.55 and name.endswith((".yaml", ".dvc", ".lock", ".json")):
        files[name] = _other_tree(rng, files[name])
    elif chance < 0.7:
        files[name] = other_text(rng, files[name])
    elif chance < 0.8:
        folder = rng.choice(["", "", "sub/", "raw/", "out/"])
        ignore = folder + rng.choice([".gitignore", ".dvcignore"])
        files[ignore] = files.get(ignore, "") + rng.choice(_IGNORED) + "\n"
    elif chance < 0.84:
        del files[name]
    elif chance < 0.88:
        others = ["x.dvc", "sub/x.dvc", "sub/dvc.lock", "out/x.dvc", "sub/.dvc/config"]
        files[rng.choice(others)] = files[name]
    elif chance < 0.92:
        files["dvc.lock"] = rng.choice(_LOCKS)
    elif chance < 0.96:
        files[".dvc/config"] = rng.choice(_CONFIGS)
    else:
        old, new = rng.choice("xyek"), rng.choice(["x", "y", "out", "sub", ".", "live", "e/us"])
        files[name] = files[name].replace(old, new, 1)


def _places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if above:
        yield above
    if isinstance(data, dict | list):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _places(item, (*above, key))


def _other_tree(rng: random.Random, text: str) -> str:
    """Delete, rename, retype or add one value."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    places = list(_places(data)) if isinstance(data, dict | list) else []
    if not places:
        return text
    *above, key = rng.choice(places)
    parent = data
    for part in above:
        parent = parent[part]
    value, chance = copy.deepcopy(rng.choice(_VALUES)), rng.random()
    if chance < 0.2:
        del parent[key]
    elif chance < 0.4 and isinstance(parent, dict):
        parent[rng.choice(_KEYS)] = parent.pop(key)
    elif chance < 0.8:
        parent[key] = value
    elif isinstance(parent, dict):
        parent[rng.choice(_KEYS)] = value
    else:
        parent.insert(rng.randrange(len(parent) + 1), value)
    flow = rng.choice([None, False])
    return str(yaml.safe_dump(data, sort_keys=False, default_flow_style=flow))


def other_text(rng: random.Random, text: str) -> str:
    """Type something, delete some signs, or double or delete a line."""
    chance, place, lines = rng.random(), rng.randrange(len(text) + 1), text.split("\n")
    if chance < 0.5:
        return text[:place] + rng.choice(_TYPED) + text[place:]
    if chance < 0.65:
        return text[:place] + text[place + rng.randrange(1, 4) :]
    if chance < 0.8:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    else:
        del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def write(root: Path, files: Files) -> None:
    """Write a project; what stands in the way of another file is left out."""
    (root / ".dvc").mkdir(parents=True, exist_ok=True)
    (root / ".dvc/config").touch()
    for name, text in files.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, newline="")
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            continue


def differences(rng: random.Random, folder: Path) -> Iterator[tuple[str, Files, str]]:
    """Compare one mutated project after the other: outcome, files, and what was said."""
    template = folder / "template"
    subprocess.run(["git", "init", "-q", "--template=", str(template)], check=True)
    while True:
        files = mutate(rng, rng.choice(SEEDS))
        root = folder / "project"
        shutil.copytree(template, root)
        write(root, files)
        ours, dvcs = read_ours(root), read_dvcs(root)
        shutil.rmtree(root)
        yield judge(ours, dvcs), files, f"ours: {ours}\nDVC: {dvcs}"


def main() -> int:
    """Compare for some time; print every difference, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.path.realpath(name))
        for outcome, files, said in differences(random.Random(options.seed), folder):
            counts[outcome] += 1
            if outcome == DIFFERENT:
                print(files, said, sep="\n", end="\n\n")
            if time.monotonic() > end:
                break
    print(dict(counts))
    return bool(counts[DIFFERENT])


if __name__ == "__main__":
    raise SystemExit(main())
