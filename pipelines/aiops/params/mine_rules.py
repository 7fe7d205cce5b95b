"""Section ``aiops.mine_rules`` of ``params.yaml``."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipelines.aiops.params.quiet_mining import QuietMining
from pipelines.base.params.model import OpenShare, PositiveInt, Section

Family = Literal[
    "duplicate", "transient", "flapping", "implied", "recurring", "quiet", "known_fix"
]  # fmt: skip


Times = Annotated[list[PositiveInt], Field(min_length=1)]


class DuplicateMining(Section):
    """Alerts that come together are told together."""

    group_wait_seconds: Times = [30, 60]
    """How long a first page waits for its companions: one candidate each (``group_wait``)."""
    join_seconds: Times = [900, 1800]
    """How long what joins a group already told waits: one candidate each (``group_interval``)."""
    repeat_seconds: Times = [86_400]
    """When a group is told again although nothing joined: one candidate each."""
    min_share: OpenShare = 0.1
    """Lower bound on the share of stretches of time in which most alerts come in company. Grouping
    hides nothing, so this only keeps out what doesn't save."""
    max_labels: PositiveInt = 8
    """Labels that groupings are made of, the most common ones first."""


class TransientMining(Section):
    """It ends by itself soon."""

    waits_seconds: list[PositiveInt] = [15, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600]
    max_delay_seconds: PositiveInt = 300
    """No alert of a pattern that people ever acted on waits longer."""
    min_share: OpenShare = 0.5
    """Lower bound on the share of episodes that end within the wait, without anybody acting."""


class FlappingMining(Section):
    """It comes and goes."""

    holds_seconds: list[PositiveInt] = [60, 120, 300, 600, 900, 1800, 3600]
    min_share: OpenShare = 0.3
    """Lower bound on the share of episodes that come back within the hold."""


class ImpliedMining(Section):
    """Another alert tells it already."""

    lead_seconds: PositiveInt = 30
    """A source may begin so much later than its target: notifications wait that long anyway."""
    min_share: OpenShare = 0.6
    """Lower bound on the share of the target's episodes that begin while the source fires."""
    min_lift: Annotated[float, Field(gt=1)] = 2.0
    """Times more than the same alerts do when they are laid some days beside each other."""
    max_labels: PositiveInt = 4
    """Labels that ``equal`` is made of, the most common ones first."""
    max_pairs: PositiveInt = 20_000_000
    """Coincidences looked at for one set of labels; a set with more is too coarse and left out."""


class RecurringMining(Section):
    """It comes at the same hours."""

    timezones: list[str] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney"]
    """Local times in which hours are looked for. What counts is when a clock is changed: hours that
    move with it are found on any clock changed on the same dates. Of equals the first is taken, so
    put your own first."""
    step_minutes: PositiveInt = 30
    max_minutes: PositiveInt = 240
    """Longest window."""
    min_day_share: OpenShare = 0.7
    """Share of the days on which it came."""

    @field_validator("timezones")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        from zoneinfo import available_timezones

        unknown = [name for name in names if name not in available_timezones()]
        if unknown or not names:
            raise ValueError(f"no such time zone: {', '.join(unknown) or '(empty list)'}")
        return names

    @field_validator("step_minutes")
    @classmethod
    def _divides_a_day(cls, step: int) -> int:
        if 1440 % step:
            raise ValueError(f"{step} minutes don't divide a day")
        return step


class KnownFixMining(Section):
    """The same fix ended it again and again."""

    min_share: OpenShare = 0.6
    """Lower bound on the share of the pattern's tickets that this fix ended."""
    min_tickets: PositiveInt = 8


class MineRulesParams(Section):
    """Settings of ``mine_rules``; the split of the history holds for later stages too."""

    learn: OpenShare = 0.5
    choose: OpenShare = 0.25
    """The rest of the history judges."""
    memory_mb: PositiveInt = 2048
    """Peak memory of the stages that mine, choose and judge: the engine keeps to half of it, and a
    history that needs more (200 bytes an alert to mine, 550 to choose and judge) is refused before
    it is read."""
    families: list[Family] = [
        "duplicate", "transient", "flapping", "implied", "recurring", "quiet", "known_fix",
    ]  # fmt: skip
    alpha: OpenShare = 0.05
    """Chance of any false claim in a family: shared among all candidates that it tried."""
    expiry_days: PositiveInt = 90
    min_days: PositiveInt = 5
    """Separate days that a rule's evidence must come from."""
    min_episodes: PositiveInt = 15
    """Independent episodes that a rule's evidence must come from."""
    independence_seconds: PositiveInt = 3600
    """Episodes of a pattern in the same stretch of this length count as one, at their worst."""
    max_values: PositiveInt = 500
    """A label with more known values can't be listed in a matcher."""
    max_patterns: PositiveInt = 5000
    max_rules: PositiveInt = 250
    """Most candidates of a family, those that save most first."""
    examples: PositiveInt = 3
    duplicate: DuplicateMining = Field(default_factory=DuplicateMining)
    transient: TransientMining = Field(default_factory=TransientMining)
    flapping: FlappingMining = Field(default_factory=FlappingMining)
    implied: ImpliedMining = Field(default_factory=ImpliedMining)
    recurring: RecurringMining = Field(default_factory=RecurringMining)
    quiet: QuietMining = Field(default_factory=QuietMining)
    known_fix: KnownFixMining = Field(default_factory=KnownFixMining)

    @model_validator(mode="after")
    def _something_judges(self) -> Self:
        if self.learn + self.choose >= 1:
            raise ValueError("learn + choose must be below 1: the rest of the history judges")
        return self
