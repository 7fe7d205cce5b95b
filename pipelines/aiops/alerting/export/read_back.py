"""What exported files do: read back from their bytes, as Alertmanager and Prometheus would.

The gate must judge what is deployed, not what was meant. So a backtest doesn't apply the rules of
a rule set: it takes the configuration that the exported ``alertmanager.yml`` holds, and holds back
what the exported rule file of each Prometheus holds, as long as that says. A rule that is in no
file has no effect.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.aiops.alerting.config import (
    CURRENT,
    Process,
    apply_rules,
    parse_config,
    with_pagers,
)
from pipelines.aiops.alerting.export.bundle import (
    ALERTMANAGER,
    PAGERDUTY,
    Bundle,
    Sources,
    prometheus_files,
)
from pipelines.aiops.alerting.export.config_tree import without_origin
from pipelines.aiops.alerting.export.hold_rules import held_of
from pipelines.aiops.alerting.export.pagerduty import read_services
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.export.write import read_text
from pipelines.aiops.alerting.export.yaml_edit import load, remove
from pipelines.aiops.alerting.replay.model import Deployed, HeldAlerts
from pipelines.aiops.alerting.rules import HoldRule, Matcher, Rule
from pipelines.core.errors import SignalboxError
from pipelines.core.files import canonical_json


@dataclass(frozen=True)
class DeployedFiles:
    """The texts that are deployed.

    Attributes
    ----------
    alertmanager : str
        Text of ``alertmanager.yml``.
    name : str
        Its name, for messages.
    prometheus : mapping of str to str
        Name of a Prometheus rule file of ours → text.
    servers : Servers
        Who loads them: `prometheus_files` says which is whose.
    paging_receivers : tuple of str or None
        As for `merge_config`.
    process : Process
        The Alertmanager that reads `alertmanager`.
    pagerduty : str
        Text of ``pagerduty.json``; empty where it isn't deployed.
    """

    alertmanager: str
    name: str
    prometheus: Mapping[str, str]
    servers: Servers
    paging_receivers: tuple[str, ...] | None = None
    process: Process = CURRENT
    pagerduty: str = ""


def files_of(bundle: Bundle, sources: Sources) -> DeployedFiles:
    """Return the texts of an export that isn't written yet.

    Parameters
    ----------
    bundle : Bundle
        The export.
    sources : Sources
        What it was made from.

    Returns
    -------
    DeployedFiles
        Its texts.
    """
    return DeployedFiles(
        bundle.alertmanager.text,
        sources.name,
        bundle.prometheus,
        sources.servers,
        sources.paging_receivers,
        sources.process,
        canonical_json(bundle.pagerduty),
    )


def exported_files(folder: Path, sources: Sources) -> DeployedFiles:
    """Read the files of an export's folder.

    Parameters
    ----------
    folder : Path
        As `export` wrote it.
    sources : Sources
        What it was made from.

    Returns
    -------
    DeployedFiles
        Its texts.

    Raises
    ------
    SignalboxError
        If one can't be read: the export is older than the files that are named now.
    """
    return DeployedFiles(
        alertmanager=read_text(folder / ALERTMANAGER),
        name=str(folder / ALERTMANAGER),
        prometheus={name: read_text(folder / name) for name in prometheus_files(sources.servers)},
        servers=sources.servers,
        paging_receivers=sources.paging_receivers,
        process=sources.process,
        pagerduty=read_text(folder / PAGERDUTY),
    )


def read_back(
    files: DeployedFiles, rules: Sequence[Rule], labels: Collection[str] | None = None
) -> Deployed:
    """Read what files do.

    Parameters
    ----------
    files : DeployedFiles
        Exported or published files.
    rules : sequence of Rule
        The rules that they were made from: they give what is read its ids, and nothing else.
    labels : collection of str, optional
        Labels that the history's alerts have. One that Prometheus adds and no alert has tells
        nothing apart: such a history was taken from Prometheus, not from Alertmanager.

    Returns
    -------
    Deployed
        What a replay applies.

    Raises
    ------
    SignalboxError
        If a part of ours is of no shape that the export writes: nobody judged it.
    """
    today = parse_config(remove(files.alertmanager, files.name), files.name, files.process)
    found = parse_config(files.alertmanager, files.name, files.process)
    if files.paging_receivers is not None:
        today = with_pagers(today, files.paging_receivers)
        found = with_pagers(found, files.paging_receivers)
    deployed = [rule for rule in rules if _stands_in(rule, files.alertmanager)]
    meant = apply_rules(today, deployed, files.servers.labels)
    # Equal in all that counts: the model that knows which rule put what where.
    config = meant if without_origin(meant) == without_origin(found) else found
    held = [
        _holdings(
            name,
            files.prometheus[name],
            rules,
            server,
            _known(files.servers.added(server), labels),
        )
        for name, server in prometheus_files(files.servers).items()
        if server is not None and name in files.prometheus
    ]
    return Deployed(
        today,
        config,
        tuple(each for each in held if each is not None),
        read_services(files.pagerduty, PAGERDUTY),
    )


def _stands_in(rule: Rule, text: str) -> bool:
    return rule.id in text


def _holdings(
    name: str,
    text: str,
    rules: Sequence[Rule],
    server: PrometheusServer,
    added: tuple[Matcher, ...] | str,
) -> HeldAlerts | None:
    """Read what the rule file of one Prometheus holds back; None: nothing."""
    data = load(text, name)
    groups = data.get("groups") if isinstance(data, dict) else None
    if groups == []:
        return None
    hold = [rule for rule in rules if isinstance(rule, HoldRule)]
    one = groups[0] if isinstance(groups, list) and len(groups) == 1 else None
    found = held_of(one, hold, server) if isinstance(one, dict) else None
    if isinstance(added, str):
        raise SignalboxError(f"{name}: {added}")
    if found is None:
        raise SignalboxError(
            f"{name}: its rules aren't ones that this rule set exports; take the file of the last "
            "publication, or publish again"
        )
    return HeldAlerts(found[0], added, dict(server.external), found[1])


def _known(
    added: tuple[Matcher, ...] | str, labels: Collection[str] | None
) -> tuple[Matcher, ...] | str:
    if isinstance(added, str) or labels is None:
        return added
    return tuple(matcher for matcher in added if matcher.label in labels)
