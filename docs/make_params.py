"""Write ``docs/params.md`` and ``params.schema.json``: every parameter, from the typed models.

``python docs/make_params.py`` writes both; a unit test holds them equal to what `page` and `schema`
return. The page is for people; the schema, of ``params.yaml`` alone, for Airflow's trigger forms
and for editors. A key's description is the text below its field in the model's class, or its entry
in the class's section ``Attributes``, or else its comment in ``params.yaml`` or ``release.yaml``.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "params.md"
SCHEMA = PROJECT / "params.schema.json"

INTRODUCTION = """\
# Parameters

Generated from the typed models by `python docs/make_params.py`; don't edit it by hand.

`params.yaml` holds the inputs of stages: a changed value runs the stages that read it again. It
shows what people change; a key that isn't there has its default, and may be added. `release.yaml`
holds the settings of the deployment and of the release path: no stage depends on them. A wrong key,
type or value stops before anything runs, and the error names the key, the value and what is
allowed; for a key that was renamed it names the new one.

`null` means "not set"; an empty text is read as `null` too. In a heading, `[]` stands for each
entry of a list and `*` for a name of your own.
"""


class Row(NamedTuple):
    """One key."""

    key: str
    kind: str
    default: str
    allowed: str
    description: str


class Table(NamedTuple):
    """The keys of one model at one place in the file."""

    location: str
    description: str
    rows: list[Row]


def page() -> str:
    """Return the page."""
    from pipelines.aiops.params import AiopsParams
    from pipelines.core.params import Params

    parts = [INTRODUCTION]
    params = _comments(PROJECT / "params.yaml")
    release = _comments(PROJECT / "release.yaml")
    parts.append("## params.yaml\n")
    for name, field in Params.model_fields.items():
        if name != "aiops":
            parts += _section(field.alias or name, field.annotation, params)
    parts += _section("aiops", AiopsParams, params)
    parts.append("## release.yaml\n")
    for name, model in _release_models().items():
        parts += _section(name, model, release)
    return "\n".join(parts)


def _release_models() -> dict[str, type[BaseModel]]:
    """Model of each section of ``release.yaml``, in the file's order."""
    from pipelines.core.runtime import ProjectParams, RuntimeParams
    from pipelines.mlops.compliance.facts import ComplianceParams
    from pipelines.mlops.monitoring.result import MonitoringParams
    from pipelines.mlops.privacy.accountability import PrivacyParams
    from pipelines.mlops.scoring.score import ScoringParams
    from pipelines.release.approval import ApprovalParams
    from pipelines.release.kpis.formula import KpisParams
    from pipelines.release.registry.read import RegistryParams

    return {
        "project": ProjectParams,
        "runtime": RuntimeParams,
        "approval": ApprovalParams,
        "registry": RegistryParams,
        "kpis": KpisParams,
        "scoring": ScoringParams,
        "monitoring": MonitoringParams,
        "privacy": PrivacyParams,
        "compliance": ComplianceParams,
    }


def _section(name: str, model: Any, comments: dict[str, str]) -> Iterator[str]:
    for table in _tables(name, model, comments):
        if not table.rows:
            continue
        yield f"### {table.location}\n"
        yield f"{table.description}\n"
        yield "| key | type | default | allowed | description |\n|---|---|---|---|---|"
        for row in table.rows:
            yield f"| {' | '.join(_cell(text) for text in row)} |"
        yield ""


def _cell(text: str) -> str:
    """Return a text that stays inside its cell."""
    return text.replace("|", r"\|")


def _tables(
    key: str, model: type[BaseModel], comments: dict[str, str], suffix: str = ""
) -> Iterator[Table]:
    """Yield the table of a model, and below it those of the models that its fields hold."""
    described = _descriptions(model)
    rows, below = [], []
    for name, field in model.model_fields.items():
        shown = field.alias or name
        full = f"{key}.{shown}"
        for mark, child in _models(field.annotation):
            below.append((full + mark, child))
        own = [child for mark, child in _models(field.annotation) if not mark]
        if own and field.annotation in own:
            continue  # a subsection: its own table says more than a row could
        kind, allowed = _kind(field.annotation)
        own_limits = _limits(field.metadata)
        if own_limits and kind.startswith("list"):
            own_limits = f"the list: {own_limits}"
        limits = "; ".join(filter(None, [allowed, own_limits]))
        text = described.get(name) or _more_than_choices(comments.get(full, ""), allowed)
        if len(get_args(field.annotation)) == 1 and get_origin(field.annotation) is Literal:
            text = "Names this kind."
        if not text and own:
            text = "See the tables below." if len(own) > 1 else _first_paragraph(own[0])
        rows.append(Row(f"`{shown}`", kind, _default(field), limits, _plain(text)))
    yield Table(f"{key}{suffix}", _first_paragraph(model), rows)
    for full, child in below:
        tag = child.model_fields.get("kind")
        tags = get_args(tag.annotation) if tag is not None else ()
        yield from _tables(full, child, comments, f", kind {tags[0]}" if len(tags) == 1 else "")


def _models(annotation: Any, mark: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the models in a type, with ``[]`` or ``.*`` for the lists and mappings around them."""
    if isinstance(annotation, type) and not get_args(annotation):
        if issubclass(annotation, BaseModel):
            yield mark, annotation
        return
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _models(args[0], mark)
    elif origin in (list, tuple):
        yield from _models(args[0], mark + "[]")
    elif origin is dict:
        yield from _models(args[1], mark + ".*")
    elif origin in (Union, UnionType):
        for arg in args:
            yield from _models(arg, mark)


WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    NoneType: "null",
    Any: "anything",
}


def _kind(annotation: Any) -> tuple[str, str]:  # noqa: PLR0911 (one return a kind of type)
    """Return a type in words, and what is allowed inside it."""
    if annotation in WORDS:
        return WORDS[annotation], ""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        kind, allowed = _kind(args[0])
        return kind, "; ".join(filter(None, [allowed, _limits(args[1:])]))
    if origin is Literal:
        # an empty text among the choices is how "not given" is written
        return "choice", ", ".join(f"`{json.dumps(arg) if arg == '' else arg}`" for arg in args)
    if origin in (list, tuple):
        kind, allowed = _kind(args[0])
        return f"list of {_plural(kind)}", f"each: {allowed}" if allowed else ""
    if origin is dict:
        (keys, allowed_keys), (values, allowed) = _kind(args[0]), _kind(args[1])
        limits = [f"keys: {allowed_keys}" if allowed_keys else "",
                  f"values: {allowed}" if allowed else ""]  # fmt: skip
        return f"mapping of {_plural(keys)} to {_plural(values)}", "; ".join(filter(None, limits))
    if origin in (Union, UnionType):
        kinds = [_kind(arg) for arg in args]
        names = list(dict.fromkeys(kind for kind, _ in kinds))
        return " or ".join(names), "; ".join(filter(None, (allowed for _, allowed in kinds)))
    return "section", ""


def _plural(kind: str) -> str:
    known = {"mapping": "mappings", "list": "lists"}
    first, _, rest = kind.partition(" ")
    if first in known:
        return f"{known[first]} {rest}"
    return kind if kind in ("true or false", "anything") else " or ".join(
        word if word == "null" else f"{word}s" for word in kind.split(" or ")
    )  # fmt: skip


def _limits(metadata: Any) -> str:
    """Return the limits that a type carries, in words."""
    found = []
    for part in metadata:
        if isinstance(part, FieldInfo):
            found.append(_limits(part.metadata))
        elif isinstance(part, Ge):
            found.append(f"≥ {part.ge}")
        elif isinstance(part, Gt):
            found.append(f"> {part.gt}")
        elif isinstance(part, Le):
            found.append(f"≤ {part.le}")
        elif isinstance(part, Lt):
            found.append(f"< {part.lt}")
        elif isinstance(part, MinLen):
            found.append("not empty" if part.min_length == 1 else f"length ≥ {part.min_length}")
        elif isinstance(part, MaxLen):
            found.append(f"length ≤ {part.max_length}")
        elif pattern := getattr(part, "pattern", None):
            found.append(f"pattern `{pattern}`")
    return ", ".join(filter(None, found))


def _default(field: FieldInfo) -> str:
    """Return the default as it would stand in the file."""
    if field.is_required():
        return "required"
    value: Any = field.default
    if value is PydanticUndefined and field.default_factory is not None:
        value = field.default_factory()  # type: ignore[call-arg]
    text = json.dumps(_as_written(value), ensure_ascii=False)
    return f"`{text}`" if len(text) <= 300 else f"{len(value)} entries, see the model"


def _as_written(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if isinstance(value, list | tuple):
        return [_as_written(part) for part in value]
    if isinstance(value, dict):
        return {key: _as_written(part) for key, part in value.items()}
    return value


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Field → description, from the model's class and the classes it is made of."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls.__module__.startswith("pipelines."):
            found |= _from_attributes(inspect.getdoc(cls) or "") | _from_texts(cls)
    return found


def _from_texts(cls: type) -> dict[str, str]:
    """Texts that stand below fields."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    found: dict[str, str] = {}
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[field.target.id] = text.value.value
    return found


def _from_attributes(doc: str) -> dict[str, str]:
    """Entries of a docstring's section ``Attributes``; one entry may name several fields."""
    _, _, section = doc.partition("\nAttributes\n----------\n")
    section = re.split(r"\n\w+\n-{3,}\n", section)[0]
    entries = re.findall(r"^([\w, ]+?)(?: : .*)?\n((?:    .*\n?|\n)+)", section, re.MULTILINE)
    return {name.strip(): text for names, text in entries for name in names.split(",")}


def _first_paragraph(model: type[BaseModel]) -> str:
    text = (inspect.getdoc(model) or "").partition("\nAttributes\n----------\n")[0]
    return _plain(text.partition("\n\n")[0])


def _more_than_choices(comment: str, allowed: str) -> str:
    """Return a comment without the list of choices that the model has as well."""
    choices, _, rest = comment.partition("; ")
    listed = [f"`{choice.strip()}`" for choice in choices.split("|")]
    return (
        rest if len(listed) > 1 and allowed and set(listed) >= set(allowed.split(", ")) else comment
    )


def _plain(text: str) -> str:
    """Return a docstring's text as Markdown on one line."""
    return " ".join(text.split()).replace("``", "`")


def _comments(file: Path) -> dict[str, str]:
    """Key's path → comment behind it or above it in a file; of a list's entries, the first."""
    found: dict[str, str] = {}

    def comments_of(node: Any) -> Any:
        return node.ca.items

    def walk(node: Any, key: str) -> None:
        if isinstance(node, list):
            for entry in node[:1]:
                walk(entry, f"{key}[]")
        if not isinstance(node, dict):
            return
        for name, value in node.items():
            full = f"{key}.{name}".removeprefix(".")
            tokens = comments_of(node).get(name) or [None] * 4
            text = tokens[2].value if tokens[2] is not None else ""
            first = text.split("\n")[0].strip()
            if not first and tokens[3]:  # behind a key whose value begins on the next line
                first = tokens[3][0].value.split("\n")[0].strip()
            if first.startswith("#"):
                found[full] = first.removeprefix("#").strip()
            walk(value, full)

    walk(YAML().load(file.read_text(encoding="utf-8")), "")
    return found


TITLES = {
    "aiops.alert_history.days": "Length of the alert history",
    "aiops.alert_history.lake": "Folder of the telemetry lake",
    "aiops.alert_history.until": "Last day of the alert history",
    "aiops.export_rules.alertmanager_version": "Release of your Alertmanager",
    "aiops.export_rules.publish.shadow": "Shadow mode: publish nothing",
    "aiops.mine_rules.expiry_days": "Lifetime of a rule",
    "aiops.mine_rules.hold.again_seconds": "A second alert within … pages at once",
    "aiops.mine_rules.hold.min_pages": "Pages that make an alert name noisy",
    "aiops.mine_rules.hold.wait_seconds": "Time that an alert is held",
    "aiops.select_rules.short_wait_seconds": "Time held where the history is short",
    "evaluate.replicates": "Bootstrap replicates of each interval",
    "train.calibration": "Calibration of scores",
    "train.class_weight": "Weight of the rarer label",
    "train.folds": "Cross-validation folds",
    "train.seed": "Random seed",
    "train.select_by": "Score that chooses the model",
    "train.threshold.rule": "Rule for the decision threshold",
    "train.use_sensitive": "Sensitive features are model inputs",
    "validate.max_quarantined_share": "Largest share of rows in quarantine",
}
"""Titles of the trigger forms' fields, in plain words; of all other keys the name is the title."""

UNITS = {"alert_history.days": "days", "max_quarantined_share": "0 to 1"}
"""Units that no key's last word says, by the end of the key."""

_CHOICES = re.compile(r"^[^;]*\|[^;]*(; |$)")
"""A list of choices at the beginning of a comment; the schema has them as ``enum``."""
_SUFFIXES = ("seconds", "minutes", "hours", "days", "mb")


def schema() -> str:
    """Return the JSON schema of ``params.yaml``."""
    from pydantic.json_schema import GenerateJsonSchema, models_json_schema

    from pipelines.aiops.params import AiopsParams
    from pipelines.core.params import Params

    comments = _comments(PROJECT / "params.yaml")
    keys = _keys(Params, AiopsParams)

    class Described(GenerateJsonSchema):
        """Takes descriptions from where the page takes them; adds titles and units."""

        def model_schema(self, schema: Any) -> dict[str, Any]:
            made = super().model_schema(schema)
            model = schema["cls"]
            made.pop("title", None)
            made["description"] = _text(_first_paragraph(model))
            texts = _descriptions(model)
            for name, field in model.model_fields.items():
                shown = field.alias or name
                found = keys.get((model, shown), [])
                beside = next(filter(None, map(comments.get, found)), "")
                text = texts.get(name) or _CHOICES.sub("", beside)
                _describe(made["properties"][shown], shown, found, _text(_plain(text)))
            return made

    _, made = models_json_schema(
        [(Params, "validation"), (AiopsParams, "validation")],
        by_alias=True,
        schema_generator=Described,
    )
    root = made["$defs"].pop("Params")
    root["properties"]["aiops"] |= {"$ref": "#/$defs/AiopsParams"}
    for left in ("additionalProperties", "type", "default"):
        root["properties"]["aiops"].pop(left, None)
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "params.yaml of Signalbox",
        **root,
        "$comment": "Generated from the typed models by python docs/make_params.py.",
        "$defs": dict(sorted(made["$defs"].items())),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _keys(params: type[BaseModel], aiops: type[BaseModel]) -> dict[tuple[Any, str], list[str]]:
    """Model and name of a field → the keys that it has in ``params.yaml``."""
    found: dict[tuple[Any, str], list[str]] = {}

    def walk(model: type[BaseModel], above: str) -> None:
        for name, field in model.model_fields.items():
            shown = field.alias or name
            key = f"{above}.{shown}".removeprefix(".")
            found.setdefault((model, shown), []).append(key)
            for mark, child in _models(field.annotation):
                walk(child, key + mark)

    walk(params, "")
    walk(aiops, "aiops")
    return found


def _describe(made: dict[str, Any], name: str, keys: list[str], text: str) -> None:
    """Give one property its title, unit and description."""
    words = name.split("_")
    unit = words.pop() if len(words) > 1 and words[-1] in _SUFFIXES else None
    unit = next((UNITS[end] for end in UNITS if any(map(_ends_with(end), keys))), unit)
    plain = " ".join(words)
    made["title"] = next(filter(None, map(TITLES.get, keys)), plain[:1].upper() + plain[1:])
    if unit:
        made["unit"] = unit
    if text:
        made["description"] = text[:1].upper() + text[1:]


def _ends_with(end: str) -> Any:
    return lambda key: f".{key}".endswith(f".{end}")


def _text(markdown: str) -> str:
    """Return words for a form, which shows no Markdown and whose fields are empty, not null."""
    return markdown.replace("`", "").replace("null = ", "empty = ").strip()


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT))
    for file, text in ((PAGE, page()), (SCHEMA, schema())):
        file.write_text(text, encoding="utf-8")
        print(file)
