"""Section ``aiops.response`` of ``params.yaml``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.base.params.model import Name, PositiveInt, Section, Slug


class ActionParams(Section):
    """One thing that may be done without asking: the allow-list."""

    id: Slug
    kind: Literal["command", "dag"]
    target: Name
    """Program, or id of an Airflow DAG."""
    args: list[str] = []
    """Arguments; for a DAG ``key=value``. Filled in: ``{labels.NAME}``, ``{rule}``, ``{fix}``."""
    reversible: bool
    """Only what is reversible is ever run; the rest stays a proposal, whatever `dry_run` says."""
    max_per_hour: PositiveInt = 3
    cooldown_seconds: Annotated[int, Field(ge=0)] = 1800
    """Not again for the same labels within so long."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 120
    label_pattern: Name = r"[A-Za-z0-9_][A-Za-z0-9_.:@/-]*"
    """Label values that may become arguments; others are refused."""


class ResponseParams(Section):
    """Settings of the response to alerts whose fix is known."""

    dry_run: bool = True
    """Say and log what would be done, and do nothing."""
    actions: list[ActionParams] = []
    fixes: dict[str, Slug] = {}
    """Key of a fix, as tickets have it → id of the action."""
    max_age_minutes: PositiveInt = 60
    """Alerts that began longer ago are left to people."""
    success_minutes: PositiveInt = 15
    """An alert that ends within so long after the action counts as mended."""

    @model_validator(mode="after")
    def _known_actions(self) -> Self:
        known = [one.id for one in self.actions]
        if len(set(known)) < len(known):
            raise ValueError(f"actions: ids must differ, found {known}")
        missing = sorted(set(self.fixes.values()) - set(known))
        if missing:
            raise ValueError(f"fixes: there is no action {missing[0]!r}; actions are {known}")
        return self
