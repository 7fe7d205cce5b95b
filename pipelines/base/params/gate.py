"""Section ``gate``: the release policy."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.base.params.model import Name, Section, Slug


class Check(Section):
    """One check of the policy.

    ``at_least`` and ``at_most`` hold the figure's interval against `threshold`: pass when the whole
    interval keeps to it, fail when none of it does, inconclusive when it straddles. A figure
    without an interval is compared as a point. ``not_worse_than_released`` does the same with the
    paired difference to the released model, which counts what was lost (positive = worse), and
    `threshold` is the largest loss accepted. A figure that is absent or has no value fails.
    """

    id: Slug
    protects: Name
    figure: Annotated[str, Field(pattern=r"^[a-z_]+\.\S+$")]
    compare: Literal["at_least", "at_most", "not_worse_than_released"]
    threshold: float
    on_fail: Literal["reject", "review"] = "reject"
    on_inconclusive: Literal["reject", "review"] = "review"
    owner: Name
    reason: Name


class GateParams(Section):
    """The list of checks."""

    checks: Annotated[list[Check], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [check.id for check in self.checks]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"check ids must differ; used twice: {twice}")
        return self


class ReportParams(Section):
    """Section ``report``: what the report says about who and why."""

    title: Name
    owner: Name
    purpose: Name
    """What the model is for; printed on the first page."""
    not_for: Name
    """What it must not be used for."""
    contact: Name
    notice: str = ""
    """What readers must know about the data before anything else, for example that it is a demo."""
