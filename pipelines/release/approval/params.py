"""Section ``approval`` of ``release.yaml``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.base.params.model import Name, PositiveInt, Section


class ApprovalParams(Section):
    """Who is asked, when, for how long, and what happens without an answer."""

    approvers: Annotated[list[Name], Field(min_length=1)] = ["admin"]  # noqa: RUF012
    """Names of users, as they log in to Airflow; nobody else's answer counts."""
    timeout_seconds: PositiveInt = 259_200
    """How long a question waits; after that it is a rejection."""
    when: Literal["always", "review"] = "always"
    """Ask for every release, or only where the gate says review."""
    on_reject: Literal["stop", "ask_override"] = "stop"
    """Where the gate says reject: end, or ask two people whether to release nevertheless."""
    min_reason: PositiveInt = 20
    """Characters that the written reason of an override has at least."""
    headless: Literal["stop", "auto_approve_demo"] = "stop"
    """Where `signalbox run` can ask nobody: release nothing, or approve by this policy's name what
    the gate lets pass, and that on the bundled demo's data alone."""

    @model_validator(mode="after")
    def _two_people_for_an_override(self) -> Self:
        names = [name.strip() for name in self.approvers]
        if names != list(self.approvers) or len(set(names)) != len(names):
            raise ValueError("approvers: each name once, without spaces around it")
        if self.on_reject == "ask_override" and len(names) < 2:
            raise ValueError(
                "on_reject: ask_override needs two different people; approvers has only "
                f"{names[0]!r}"
            )
        return self
