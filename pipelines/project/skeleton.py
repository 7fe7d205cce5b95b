"""The files of a project of one's own that are the same for everybody.

All of them follow from the bundled ``dvc.yaml`` and the bundled DAG files: there is no second list
of stages, names or outs. What depends on the data (params, expectations, release.yaml) is written
by ``signalbox init``.
"""

import hashlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError
from pipelines.core.files import canonical_json, write_text
from pipelines.core.git import git
from pipelines.core.project import NAME, PIPELINE, project_name
from pipelines.project.lock import (
    CODE,
    COMMAND,
    LOCK,
    STAGES,
    Lock,
    bundled,
    bundled_stages,
    has_lock,
    installed_version,
    read_lock,
    stage_hash,
)

RELEASE = "release.yaml"


@dataclass(frozen=True)
class ProductParts:
    """What a product needs in a project.

    Attributes
    ----------
    target : str
        Its last stage; what that depends on comes with it.
    dags : tuple of str
        Its DAG files.
    suites : str
        Pattern of the bundled suites that its stages read; '' = none, they come of the data.
    """

    target: str
    dags: tuple[str, ...]
    suites: tuple[str, ...] = ()


PRODUCTS: Mapping[str, ProductParts] = {
    "model": ProductParts(
        "report", ("model_release", "batch_scoring", "model_monitoring", "erase_subject")
    ),
    "rules": ProductParts(
        "report_rules",
        ("alert_noise_reduction", "collect_telemetry"),
        ("telemetry_alerts", "telemetry_changes", "telemetry_tickets"),
    ),
    "telemetry": ProductParts(
        "report_incidents",
        ("collect_telemetry", "telemetry_anomalies", "service_map", "incidents"),
        ("telemetry_metrics", "telemetry_logs", "telemetry_spans"),
    ),
}
"""Product → its parts. The names are those of ``signalbox init``."""

_POINTER = '{\n  "released": null\n}\n'
_STARTS = {
    "privacy/erased.txt": "# Keyed hashes of erased subjects; their rows are left out. "
    "No personal data.\n",
    "ledger/.gitattributes": "# Signed bytes: no other line ends, and no merging line by line.\n"
    "*.jsonl -text -merge\ntorn/** -text\n",
}
"""Files that a project begins with: path → content."""

_IGNORED = (
    "# what runs on this machine leaves behind",
    "__pycache__/", ".venv/", "/.airflow/", "/.locked", "/runs/", "/run_facts/", ".*.partial",
    "# results of scoring and monitoring; predictions are personal data",
    "/predictions/", "/monitoring/",
    "# what files held before rules were published into them",
    "/backups/",
    "# telemetry, and results about it",
    "/telemetry/airflow/",
    "/telemetry/lake/",
    "/telemetry/otlp/",
    "/telemetry/webhook/",
    "/telemetry/results/",
    "/telemetry/state/",
    "# outs of the pipeline: DVC keeps them, git keeps their hashes in dvc.lock",
)  # fmt: skip
_DVC_IGNORED = ("__pycache__/", "*.pyc", ".*.partial", ".venv/", ".airflow/", "runs/", "run_facts/")
_HEADER = """\
# The pipeline of this project, run by DVC (`dvc repro`) and by Airflow (dags/). The code of a
# `signalbox stage` is installed: signalbox.lock says which one. Stages of your own may stand
# anywhere below, and stages may get more deps; signalbox leaves both as they are.
stages:
"""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def write_skeleton(root: Path, *, name: str, products: Sequence[str]) -> list[Path]:
    """Write a project, or add products to one; what a person wrote stays as it is.

    Writes ``dvc.yaml`` with the products' stages, ``signalbox.lock``, a file a DAG, ``.gitignore``,
    ``.dvcignore``, the suites of telemetry, empty lists of releases and erasures, and the
    project's name into ``release.yaml``; makes a git and a DVC repository where there is none.

    Parameters
    ----------
    root : Path
        The project's top directory; made if it isn't there.
    name : str
        The project's name: that of its DAGs, before the dot. Lower-case letters, digits, ``-``
        and ``_``.
    products : sequence of {"model", "rules", "telemetry"}
        What the project is for.

    Returns
    -------
    list of Path
        Files that were written or changed, relative to `root`.

    Raises
    ------
    SignalboxError
        If name or product can't be, the project has another name, or a file isn't readable.
    """
    _check(root, name, products)
    root.mkdir(parents=True, exist_ok=True)
    stages = stages_of(products)
    changed = _init(root)
    wanted = {
        PIPELINE: _pipeline(root, stages),
        LOCK: _lock(root, stages),
        RELEASE: _named(root, name),
        ".gitignore": _with_lines(root / ".gitignore", [*_IGNORED, *_outs(stages)]),
        ".dvcignore": _with_lines(root / ".dvcignore", _DVC_IGNORED),
        **{file: text for file, text in _added(stages, products).items()
           if not (root / file).exists()},
    }  # fmt: skip
    for file, text in wanted.items():
        path = root / file
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        write_text(path, text)
        changed.append(Path(file))
    return changed


def _check(root: Path, name: str, products: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise SignalboxError(
            f"project name {name!r}: use lower-case letters, digits, - and _, a letter or digit "
            "first, at most 63"
        )
    unknown = [product for product in products if product not in PRODUCTS]
    if unknown or not products:
        told = f"there is no product {unknown[0]!r}" if unknown else "name a product"
        raise SignalboxError(f"{told}; there are {', '.join(PRODUCTS)}")
    known = project_name(root)
    if known not in ("", name):
        raise SignalboxError(
            f"{root / RELEASE}: {NAME} is {known!r}, not {name!r}; a project keeps its name: leave "
            "the name out, or choose another directory"
        )
    if (root / PIPELINE).is_file() and not has_lock(root):
        _refuse_foreign(root)


def _refuse_foreign(root: Path) -> None:
    """Refuse stages of our names without a lock: they run code of the project, as the demo's."""
    stages = load_mapping(root / PIPELINE).get(STAGES) or {}
    taken = [stage for stage in stages if stage in bundled_stages()]
    if taken:
        raise SignalboxError(
            f"{root / PIPELINE} has a stage {taken[0]} already, and there is no {LOCK}: its code "
            "is part of the project; choose another directory"
        )


def stages_of(products: Iterable[str]) -> list[str]:
    """Return the stages of products, in the order of the bundled ``dvc.yaml``."""
    known = bundled_stages()
    makes = {out: stage for stage, entry in known.items() for out in outs_of(entry)}
    found: set[str] = set()
    waiting = [PRODUCTS[product].target for product in products]
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found.add(stage)
            for dep in known[stage].get("deps", ()):
                above = (dep, *map(str, Path(dep).parents))  # a file of an out that is a folder
                waiting += [makes[path] for path in above if path in makes]
    return [stage for stage in known if stage in found]


def outs_of(entry: Mapping[str, Any], *, cached: bool = False) -> list[str]:
    """Return the paths that a stage makes; with `cached` those that DVC keeps."""
    found = []
    for kind in ("outs", "metrics", "plots"):
        for out in entry.get(kind, ()):
            ((path, settings),) = out.items() if isinstance(out, dict) else ((out, {}),)
            if not cached or (settings or {}).get("cache", True):
                found.append(str(path))
    return found


def stage_entry(stage: str) -> dict[str, Any]:
    """Return a stage as it stands in a project: the bundled one, with the lock in place of code."""
    bundle = bundled_stages()[stage]
    entry: dict[str, Any] = {}
    for key, value in bundle.items():
        if key == "cmd":
            entry[key] = f"{COMMAND} {stage}"
        elif key == "deps":
            if deps := [dep for dep in value if not dep.startswith(CODE)]:
                entry[key] = deps
            entry["params"] = [*bundle.get("params", ()), {LOCK: [f"{STAGES}.{stage}"]}]
        elif key != "params":
            entry[key] = value
    return entry


def _pipeline(root: Path, stages: Sequence[str]) -> str:
    file = root / PIPELINE
    if not file.is_file():
        return _HEADER + "\n".join(stage_text(stage) for stage in stages)
    text = file.read_text(encoding="utf-8")
    known = load_mapping(file).get(STAGES) or {}
    missing = [stage for stage in stages if stage not in known]
    if not missing:
        return text
    return with_stages(file, text, missing)


def with_stages(file: Path, text: str, missing: Sequence[str]) -> str:
    """Add stages at the end of the section; the rest of the text stays, byte by byte.

    Parameters
    ----------
    file : Path
        Only named in errors.
    text : str
        A ``dvc.yaml``.
    missing : sequence of str
        Stages that it hasn't.

    Raises
    ------
    SignalboxError
        If the section is empty or written in braces.
    """
    section = find_entry(text, STAGES)
    if section is None:
        return f"{text.rstrip()}\n\n{STAGES}:\n" + "\n".join(stage_text(stage) for stage in missing)
    if not section.children or section.is_flow:
        raise SignalboxError(f"{file}: {STAGES} is empty or in braces; write it in lines")
    added = "\n".join(stage_text(stage, section.indent) for stage in missing)
    lines = text.splitlines(keepends=True)
    before, after = "".join(lines[: section.end]), "".join(lines[section.end :])
    if not before.endswith("\n"):
        before += "\n"
    return f"{before}\n{added}" + (f"\n{after.lstrip(chr(10))}" if after.strip() else after)


@dataclass(frozen=True)
class Entry:
    """A key of a YAML text with its value, by position: edits leave all other bytes as they are.

    Attributes
    ----------
    text : str
        The whole file.
    key, node : yaml nodes
    """

    text: str
    key: Any
    node: Any

    @property
    def is_flow(self) -> bool:
        """Whether the value stands in braces or brackets."""
        return bool(getattr(self.node, "flow_style", False))

    @property
    def children(self) -> list[Any]:
        """Pairs of a mapping; of anything else nothing."""
        return list(self.node.value) if self.node.tag.endswith(":map") else []

    @property
    def indent(self) -> int:
        """Columns before the children."""
        return int(self.children[0][0].start_mark.column)

    @property
    def begin(self) -> int:
        """Number of the key's line, from 0."""
        return int(self.key.start_mark.line)

    @property
    def end(self) -> int:
        """Number of lines up to the value's end, without blank lines and comments after it."""
        return _last_line(self.node)

    @property
    def value(self) -> str:
        """The value as it is written."""
        return self.text[self.node.start_mark.index : self.node.end_mark.index].strip()

    def with_key(self, name: str) -> str:
        """Return the text with another name of the key."""
        return self._with(self.key, name)

    def with_value(self, value: str) -> str:
        """Return the text with another value."""
        return self._with(self.node, value)

    def _with(self, node: Any, new: str) -> str:
        return self.text[: node.start_mark.index] + new + self.text[node.end_mark.index :]

    def replaced(self, new: str) -> str:
        """Return the text with other lines in place of the entry's."""
        lines = self.text.splitlines(keepends=True)
        return "".join(lines[: self.begin]) + new + "".join(lines[self.end :])

    def with_entry(self, name: str, value: str) -> str:
        """Return the text with another key at the end of this mapping."""
        lines = self.text.splitlines(keepends=True)
        new = f"{' ' * self.indent}{name}: {value}\n"
        return "".join(lines[: self.end]) + new + "".join(lines[self.end :])


def find_entry(text: str, key: str) -> Entry | None:
    """Find a dotted key in a YAML text; None if it isn't there."""
    import yaml

    node = yaml.compose(text, yaml.SafeLoader)
    entry = None
    for part in key.split("."):
        pairs = node.value if node is not None and node.tag.endswith(":map") else ()
        entry = next((Entry(text, *pair) for pair in pairs if pair[0].value == part), None)
        if entry is None:
            return None
        node = entry.node
    return entry


def _last_line(node: Any) -> int:
    if isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    # A block scalar ends at the beginning of the line after it.
    return int(mark.line if mark.column == 0 and mark.index else mark.line + 1)


def stage_text(stage: str, indent: int = 2) -> str:
    """Return a stage as lines of ``dvc.yaml``."""
    return dump_entry({stage: stage_entry(stage)}, indent)


def dump_entry(entry: Mapping[str, Any], indent: int) -> str:
    """Write YAML as ours is written: two columns a level, lists indented, nothing wrapped."""
    from ruamel.yaml import YAML

    writer = YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = 10_000
    stream = io.StringIO()
    writer.dump(entry, stream)
    return "".join(f"{' ' * indent}{line}" for line in stream.getvalue().splitlines(keepends=True))


def definition_hash(stage: str, entry: Mapping[str, Any] | None = None) -> str:
    """Return the SHA-256 of a stage's definition: what it would be here, or `entry`."""
    found = stage_entry(stage) if entry is None else entry
    return hashlib.sha256(canonical_json(found).encode()).hexdigest()


def load_mapping(file: Path) -> Mapping[str, Any]:
    """Read a YAML file's sections, unchecked; nothing if it is empty.

    Raises
    ------
    SignalboxError
        If it isn't readable, or no mapping.
    """
    import yaml

    try:
        found = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SignalboxError(f"{file}: not readable: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict | None):
        raise SignalboxError(f"{file}: must be a mapping of sections")
    return found or {}


def _lock(root: Path, stages: Sequence[str]) -> str:
    """Add stages to the lock; those that are there keep their code until an upgrade."""
    known = read_lock(root) if has_lock(root) else Lock(installed_version())
    order = [*known.stages, *(stage for stage in stages if stage not in known.stages)]
    new = [stage for stage in order if stage not in known.stages]
    return Lock(
        known.version,
        {**known.stages, **{stage: stage_hash(stage) for stage in new}},
        {**known.definitions, **{stage: definition_hash(stage) for stage in new}},
    ).text


def _named(root: Path, name: str) -> str:
    """Return ``release.yaml`` with the project's name."""
    file = root / RELEASE
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if project_name(root) == name:
        return text
    section, _, key = NAME.partition(".")
    if section in load_mapping(file) if text else False:
        raise SignalboxError(f"{file}: {NAME} is missing; add it to section {section}")
    own = f"{section}:\n  {key}: {name}  # begins the ids of this project's DAGs\n"
    return f"{text.rstrip()}\n\n{own}" if text.strip() else own


def _outs(stages: Iterable[str]) -> list[str]:
    """Return the lines of ``.gitignore`` that cover the stages' outs, and pages beside them.

    In ``data/`` a person's own tables may lie as well, so there only the outs are named.
    """
    known = bundled_stages()
    outs = {out for stage in stages for out in outs_of(known[stage], cached=True)}
    return sorted(f"/{out}" if out.startswith("data/") else f"/{out.partition('/')[0]}/"
                  for out in outs)  # fmt: skip


def _with_lines(file: Path, lines: Sequence[str]) -> str:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    known = set(text.splitlines())
    missing = [line for line in lines if line not in known]
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "".join(f"{line}\n" for line in dict.fromkeys(missing))


def _added(stages: Iterable[str], products: Iterable[str]) -> dict[str, str]:
    """Return files that are written only where there is none."""
    parts = [PRODUCTS[product] for product in products]
    dags = dict.fromkeys(dag for part in parts for dag in part.dags)
    suites = dict.fromkeys(suite for part in parts for suite in part.suites)
    known = bundled_stages()
    pointers = {dep for stage in stages for dep in known[stage].get("deps", ())
                if dep.startswith("released/")}  # fmt: skip
    copies = {f"dags/{dag}.py": bundled("dags") / f"{dag}.py" for dag in dags}
    copies |= {f"expectations/{suite}.json": bundled("expectations") / f"{suite}.json"
               for suite in suites}  # fmt: skip
    return {
        **{file: source.read_text(encoding="utf-8") for file, source in copies.items()},
        **dict.fromkeys(sorted(pointers), _POINTER),
        **_STARTS,
    }


def _init(root: Path) -> list[Path]:
    """Make the git and the DVC repository where they are missing."""
    for program in ("git",):
        if shutil.which(program) is None:
            raise SignalboxError(f"{program} is not installed, and a project needs it")
    if not (root / ".git").exists():
        git(root, "init", "--quiet", "--initial-branch=main")
    if (root / ".dvc").is_dir():
        return []
    for arguments in (["init", "--quiet"], ["config", "core.analytics", "false"]):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SignalboxError(f"dvc {' '.join(arguments)} failed: {done.stderr.strip()}")
    return [Path(".dvc/config"), Path(".dvc/.gitignore")]
