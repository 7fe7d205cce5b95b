"""Section ``aiops.export_rules`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.base.params.model import Name, PositiveInt, Section, Unset


class ReloadParams(Section):
    """What is told that new files are there; at most one of the two."""

    url: Unset[Name] = None
    """Posted to, for example ``http://127.0.0.1:9093/-/reload``; must be in `allowed`."""
    command: list[str] = []
    """Program and arguments, started without a shell; its first word must be in `allowed`."""
    allowed: list[str] = []
    """URLs and programs that may be named above: a second pair of eyes for a line of params."""
    timeout_seconds: PositiveInt = 30


class PublishParams(Section):
    """Where released rules go; nothing is written where a path is null."""

    alertmanager_yml: Unset[Name] = None
    """The file that Alertmanager reads; ours are merged into what stands there."""
    prometheus_rules: list[str] = []
    """The user's own rule files in which ``for`` and ``keep_firing_for`` are set."""
    guards_yml: Unset[Name] = None
    """Rule file for the guards; wholly ours."""
    pagerduty_json: Unset[Name] = None
    """Event orchestration; wholly ours."""
    backup_folder: str = "backups/rules"
    """What the files held before; one folder a publication."""
    reload: ReloadParams = Field(default_factory=ReloadParams)


class ExportRulesParams(Section):
    """Settings of ``export_rules``."""

    alertmanager_yml: Unset[Name] = None
    """Today's configuration; null = Alertmanager's documented defaults."""
    prometheus_rules: list[str] = []
    """The user's own Prometheus rule files."""
    watch: Unset[Name] = None
    """Local file or folder whose change makes the stage run again: where those files lie."""
    guard_step_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How often guards look at ``ALERTS``; Prometheus's evaluation interval is the right value."""
    pagerduty_label_field: Annotated[str, Field(pattern=r"^[a-z_.]+\{label\}$")] = (
        "event.custom_details.{label}"
    )
    """Where PagerDuty's event holds a label."""
    publish: PublishParams = Field(default_factory=PublishParams)
