"""The export's folder: files, diff, summary, and what the programs said of them."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipelines.aiops.alerting.config import CURRENT, Process, process_of
from pipelines.aiops.alerting.evidence import (
    EXPORT_SUMMARY,
    ExportSummary,
    PagerdutySummary,
    PrometheusFiles,
)
from pipelines.aiops.alerting.export.bundle import (
    ALERTMANAGER,
    DEFAULT_CONFIG,
    PAGERDUTY,
    Bundle,
    Sources,
    make_bundle,
    prometheus_files,
)
from pipelines.aiops.alerting.export.servers import read_servers
from pipelines.aiops.alerting.export.yaml_edit import remove
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.params.alert_rules import ExportRulesParams
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_bytes, write_folder, write_json, write_text

_TIMEOUT = 60
_LINES = 12


class Checked(BaseModel):
    """What a program said of a file.

    Attributes
    ----------
    file : str
        Name of the file, without folders.
    program : str
        The command, without the file.
    outcome : str
        ``ok``, ``failed`` or ``not checked``.
    says : str
        Its last lines, or why it was not asked.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    program: str
    outcome: str
    says: str = ""


def check_config(path: Path) -> Checked:
    """Check a file with ``amtool check-config``.

    Parameters
    ----------
    path : Path
        An ``alertmanager.yml``.

    Returns
    -------
    Checked
        ``not checked`` where amtool isn't installed or doesn't answer.
    """
    return _ask(path, ["amtool", "check-config", path.name])


def check_rule_file(path: Path) -> Checked:
    """Check a file with ``promtool check rules``.

    Parameters
    ----------
    path : Path
        A Prometheus rule file.

    Returns
    -------
    Checked
        ``not checked`` where promtool isn't installed or doesn't answer.
    """
    return _ask(path, ["promtool", "check", "rules", path.name])


def _ask(path: Path, command: list[str]) -> Checked:
    program = f"{' '.join(command[:-1])}"
    if shutil.which(command[0]) is None:
        return _said(path, program, "not checked", f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            command, cwd=path.parent, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return _said(path, program, "not checked", f"no answer within {_TIMEOUT} s")
    except OSError as error:
        return _said(path, program, "not checked", error.strerror or str(error))
    said = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines()]
    text = "\n".join([line for line in said if line][-_LINES:])
    return _said(path, program, "ok" if done.returncode == 0 else "failed", text)


def _said(path: Path, program: str, outcome: str, says: str) -> Checked:
    return Checked(file=path.name, program=program, outcome=outcome, says=says)


DIFF = "changes.diff"


def read_text(path: Path) -> str:
    """Read a file of the user's, newlines as they are.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    SignalboxError
        If it can't be read or isn't UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise SignalboxError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SignalboxError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from error


def read_sources(
    alertmanager_yml: str | None,
    prometheus: Sequence[str] = (),
    paging_receivers: Sequence[str] | None = None,
    process: Process = CURRENT,
) -> Sources:
    """Read the user's files.

    Parameters
    ----------
    alertmanager_yml : str or None
        Path; None (or empty) gives Alertmanager's defaults.
    prometheus : sequence of str
        Path of each ``prometheus.yml``.
    paging_receivers : sequence of str or None
        As for `merge_config`.
    process : Process
        The Alertmanager that reads the files.

    Returns
    -------
    Sources
        Texts as they are.

    Raises
    ------
    SignalboxError
        If a file can't be read or isn't UTF-8.
    """
    text = read_text(Path(alertmanager_yml)) if alertmanager_yml else DEFAULT_CONFIG
    servers = read_servers({path: read_text(Path(path)) for path in prometheus})
    pagers = None if paging_receivers is None else tuple(paging_receivers)
    return Sources(text, alertmanager_yml or ALERTMANAGER, servers, pagers, process)


def sources_of(own: ExportRulesParams) -> Sources:
    """Read the files that the parameters name.

    Parameters
    ----------
    own : ExportRulesParams
        Section ``aiops.export_rules``.

    Returns
    -------
    Sources
        As `read_sources` returns it.

    Raises
    ------
    SignalboxError
        As `read_sources`.
    """
    return read_sources(
        own.alertmanager_yml,
        own.prometheus,
        own.paging_receivers,
        process_of(*own.reader),
    )


def source_paths(alertmanager_yml: str | None, prometheus: Sequence[str]) -> list[Path]:
    """List the user's files that were read, for hashes in evidence.

    Parameters
    ----------
    alertmanager_yml, prometheus
        As for `read_sources`.

    Returns
    -------
    list of Path
        Without duplicates.
    """
    named = [*([alertmanager_yml] if alertmanager_yml else []), *prometheus]
    return [Path(path) for path in dict.fromkeys(named)]


def export(
    folder: Path, sources: Sources, rules: Sequence[Rule], *, step: int, label_field: str
) -> tuple[ExportSummary, list[Checked]]:
    """Write the export's folder.

    The folder is the same wherever it is made, so it doesn't hold what the programs say.

    Parameters
    ----------
    folder : Path
        Replaced as a whole.
    sources : Sources
        The user's files.
    rules : sequence of Rule
        What is exported.
    step : int, seconds
        Evaluation interval of the rules that hold alerts back.
    label_field : str
        Where a PagerDuty event holds a label, as for `orchestration`.

    Returns
    -------
    summary : ExportSummary
        As ``summary.json`` holds it.
    checks : list of Checked
        What installed programs say of each file.

    Raises
    ------
    SignalboxError
        As `make_bundle`; or a program refuses what was written. Nothing is written then.
    """
    bundle = make_bundle(sources, rules, step, label_field)
    summary = summarise(sources, bundle)
    checks: list[Checked] = []

    def fill(directory: Path) -> None:
        checks.extend(_write(directory, bundle))
        write_json(directory / EXPORT_SUMMARY.name, summary.model_dump(mode="json"))
        _require(checks)

    write_folder(folder, fill)
    return summary, checks


def _write(directory: Path, bundle: Bundle) -> list[Checked]:
    write_bytes(directory / ALERTMANAGER, bundle.alertmanager.text.encode())
    write_json(directory / PAGERDUTY, bundle.pagerduty)
    write_bytes(directory / DIFF, bundle.diff.encode())
    checks = [check_config(directory / ALERTMANAGER)]
    for name, text in bundle.prometheus.items():
        write_text(directory / name, text)
        checks.append(check_rule_file(directory / name))
    return checks


def _require(checks: Sequence[Checked]) -> None:
    for run in checks:
        if run.outcome == "failed":
            raise SignalboxError(
                f"{run.file}: {run.program} refuses the merged file: {' '.join(run.says.split())}; "
                "if it refuses your own file too, mend that first"
            )


def summarise(sources: Sources, bundle: Bundle) -> ExportSummary:
    """Return what the report says of an export.

    Parameters
    ----------
    sources : Sources
        The user's files.
    bundle : Bundle
        What was made of them.

    Returns
    -------
    ExportSummary
    """
    return ExportSummary(
        sources={sources.name: own_sha256(sources.alertmanager, sources.name)},
        rules=bundle.rules,
        prometheus=[
            PrometheusFiles(
                name=server.name if server else "",
                external_labels=dict(server.external) if server else {},
                rules=name,
            )
            for name, server in prometheus_files(sources.servers).items()
        ],
        exported=sum(exported_rule.exported for exported_rule in bundle.rules),
        not_exported=len(unexported(bundle)),
        pagerduty=PagerdutySummary(
            rules=len(bundle.pagerduty["weaker"]),
            services=[service["receiver"] for service in bundle.pagerduty["services"]],
            not_expressed=bundle.pagerduty["not_expressed"],
            weaker=bundle.pagerduty["weaker"],
        ),
        changed_lines=sum(
            line.startswith(("+", "-")) and not line.startswith(("+++", "---"))
            for line in bundle.diff.splitlines()
        ),
    )


def unexported(bundle: Bundle) -> dict[str, str]:
    """Return the rules that are nowhere in the files, though they should be.

    Parameters
    ----------
    bundle : Bundle
        An export.

    Returns
    -------
    dict of str to str
        Id → why. A known fix belongs in no file.
    """
    return {
        rule.id: "; ".join(rule.reasons)
        for rule in bundle.rules
        if not rule.exported and rule.family != "known_fix"
    }


def own_sha256(text: str, name: str) -> str:
    """Return the hash of what is the user's in a text; our parts make no difference.

    Parameters
    ----------
    text : str
        A file, with or without our parts.
    name : str
        Its name, for messages.

    Returns
    -------
    str
        SHA-256, 64 hex digits.

    Raises
    ------
    SignalboxError
        If a mark of ours has lost its partner.
    """
    return sha256_text(remove(text, name))


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        64 hex digits.
    """
    return hashlib.sha256(text.encode()).hexdigest()
