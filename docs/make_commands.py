"""Write ``docs/commands.md``: every command, as the parser has it, and what its JSON holds.

``python docs/make_commands.py`` writes the page; a unit test holds it equal to what `page` returns.
A command's summary is the first line of its help, its example the help's line ``Example: …``.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import typer.main
from pydantic import BaseModel

from pipelines.aiops.alerting.publishing import Published
from pipelines.cli import (
    compliance_commands,
    erase_commands,
    incident_commands,
    init_commands,
    ledger_commands,
    map_commands,
    release_commands,
    release_run,
    rules_commands,
    telemetry_commands,
)
from pipelines.cli import main as root
from pipelines.mlops.monitoring.result import Watching
from pipelines.mlops.scoring.record import Record
from pipelines.project.upgrade import UpgradeJson
from pipelines.release.ledger import Entry, Verification
from pipelines.release.lifecycle import Comparison, Done

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "commands.md"
EXAMPLE = "Example: "

INTRODUCTION = """\
# Commands

Generated from the parser by `python docs/make_commands.py`; don't edit it by hand.

- **Names** have dashes (`service-map`, `--hashes-only`). Underscores in their place are taken as
  well. Products, DAGs and stages keep the underscores of their names.
- **Product.** Without `--product` a command shows all products. One that changes something takes
  the product that is meant: the one that the run is of, or that alone has a version in the stage;
  where there are several, it asks for `--product`.
- **`--json`** prints the result on stdout and nothing else there; messages and errors go to
  stderr.
- **Exit codes**: 0 done; 1 the run failed, the input is wrong, or what was looked at is not as it
  should be (a line on stderr says what to do); 2 wrong usage; 130 ended with Ctrl-C. `verify` has
  its own: 1 something differs, 2 wrong usage or no such report, 3 artifacts are missing.
- **Lines** wrap at the width of the terminal (or `COLUMNS`), between words; nothing is cut. In a
  pipe or a file each stays one line.
- **Project**: `--project`, else `$SIGNALBOX_PROJECT`, else where you stand, else the one that the
  command is installed from.
"""

RESULTS: dict[str, Any] = {
    "init": init_commands.Written,
    "run": list[release_run.ProductRun],
    "ui": root.ShownUi,
    "upgrade": UpgradeJson,
    "answer": release_run.Answered,
    "release": Done,
    "rollback": Done,
    "compare": Comparison,
    "registry show": release_commands.ShownRegistry,
    "registry repair": release_commands.Repaired,
    "ledger show": list[Entry],
    "ledger verify": Verification,
    "ledger keys": ledger_commands.ShownKeys,
    "ledger rotate": Entry,
    "ledger begin": Entry,
    "history": list[ledger_commands.ToldEntry],
    "kpis": list[compliance_commands.ShownKpi],
    "compliance": compliance_commands.WrittenCompliance,
    "score": Record,
    "monitor": Watching,
    "ingest": telemetry_commands.IngestedSources,
    "collect": telemetry_commands.Collected,
    "telemetry retain": telemetry_commands.Retained,
    "erase": erase_commands.ErasedSubject,
    "subject export": erase_commands.WrittenCopy,
    "rules publish": Published,
    "rules diff": rules_commands.RulesDiff,
    "rules withdraw": rules_commands.WithdrawnRule,
    "rules status": rules_commands.RulesStatus,
    "impact": map_commands.ShownImpact,
    "service-map diff": map_commands.ShownDiff,
    "service-map build": map_commands.BuiltMap,
    "incidents list": list[incident_commands.ShownIncident],
    "incidents show": incident_commands.ShownIncident,
    "incidents post": incident_commands.PostedIncidents,
}
"""Command → type of what its ``--json`` prints."""

NOTES = {
    "stage": "none: it prints what the stage prints",
    "simulate": "figures of the world, `signal_days`, `folder`, `synthetic`",
    "subject show": "the copy of the person's data, as `subject export` writes it",
    "subject export": "with `--out`; else the copy itself",
    "rules remediate": "a list: `rule`, `action`, `alert`, `outcome`, `message`, `output`; with "
    "`--effect`: `method`, `level`, `effects`",
    "verify": "`schema`, `report`, `commit`, `verdict`, `exit_code`, `hint`, `first`, "
    "`not_checked`, `checks`",
    "erase": "with `--find` subject → rows, with `--token` `token`, with `--clear` `sources`, with "
    "`--telemetry` `proof`, `elsewhere`, `remaining`",
}
"""Command → what the type doesn't say."""


class Command(NamedTuple):
    """One command."""

    name: str
    usage: str
    help: str
    has_json: bool

    @property
    def summary(self) -> str:
        """First line of its help."""
        return self.help.splitlines()[0]

    @property
    def example(self) -> str:
        """The command to type; empty where the help has none."""
        lines = [line.strip() for line in self.help.splitlines()]
        return next((x.removeprefix(EXAMPLE) for x in lines if x.startswith(EXAMPLE)), "")


def commands() -> Iterator[Command]:
    """Return every command that does something, in the order of ``signalbox --help``."""
    yield from _below(typer.main.get_command(root.app), ())


def _below(group: Any, names: tuple[str, ...]) -> Iterator[Command]:
    for name, command in group.commands.items():
        path = (*names, name)
        if hasattr(command, "commands"):
            yield from _below(command, path)
            continue
        arguments = [_argument(p) for p in command.params if not _is_option(p)]
        yield Command(
            name=" ".join(path),
            usage=" ".join([*path, *arguments]),
            help=command.help or "",
            has_json=any("--json" in parameter.opts for parameter in command.params),
        )


def _argument(parameter: Any) -> str:
    """How an argument stands in a command: what may be left out, in brackets."""
    name = (parameter.metavar or parameter.name).upper()
    name += " …" if parameter.nargs == -1 else ""
    return name if parameter.required else f"[{name}]"


def _is_option(parameter: Any) -> bool:
    return any(name.startswith("-") for name in parameter.opts)


def keys_of(kind: Any) -> list[str]:
    """Return the keys of an object that a command prints; of a list's entries, if it is one."""
    if get_origin(kind) is list:
        return keys_of(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return list(get_type_hints(kind))


def _json_of(name: str) -> str:
    said = []
    if name in RESULTS:
        keys = ", ".join(f"`{key}`" for key in keys_of(RESULTS[name]))
        said.append(f"a list: {keys}" if get_origin(RESULTS[name]) is list else keys)
    said += [NOTES[name]] if name in NOTES else []
    return "; ".join(said)


def page() -> str:
    """Return the page's text."""
    found = list(commands())
    lines = [INTRODUCTION, "| command | what it does |", "|---|---|"]
    lines += [f"| `{c.usage}` | {c.summary} |" for c in found]
    lines += ["", "## Examples", "", "```sh", *(c.example for c in found if c.example), "```"]
    lines += ["", "## JSON", "", "| command | what `--json` prints |", "|---|---|"]
    lines += [f"| `{c.name}` | {_json_of(c.name)} |" for c in found if c.has_json]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
