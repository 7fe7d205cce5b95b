"""Details of the rule stages' evidence, as far as the chapters read them."""

from datetime import date, datetime

from pydantic import Field

from pipelines.reports.inputs import Number, Shape


class Span(Shape):
    """A part of the history."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end - self.start).total_seconds() / 86_400


class Matcher(Shape):
    """One matcher of a rule."""

    label: str
    op: str
    value: str


class Support(Shape):
    """History that a rule rests on."""

    alerts: int
    episodes: int
    days: int
    first: datetime
    last: datetime


class Bound(Shape):
    """The figure that makes a rule's case."""

    measures: str
    value: float
    low: Number = None
    high: Number = None
    n: int
    level: float
    tried: int


class Example(Shape):
    """An episode that shows a rule at work."""

    starts_at: datetime
    ends_at: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    says: str = ""


class Rule(Shape):
    """A rule; settings are those of its family."""

    id: str
    family: str
    sentence: str
    matchers: list[Matcher] = Field(default_factory=list)
    support: Support
    bound: Bound
    expires: date
    team: str = ""
    examples: list[Example] = Field(default_factory=list)
    wait: int | None = None
    keep_firing: int | None = None
    start_minute: int | None = None
    end_minute: int | None = None
    timezone: str = "UTC"
    fix: str = ""


class Done(Shape):
    """What a rule did in the last window."""

    rule: Rule
    pages_saved: float
    alerts: int


class Stages(Shape):
    """Counts from events to pages."""

    events: int
    alerts: int
    notifications: int
    pages: int


class BothStages(Shape):
    """The same with today's configuration and with the rules."""

    today: Stages
    with_rules: Stages


class Family(Shape):
    """What a family of rules did."""

    family: str
    rules: int
    pages_saved: float
    alerts: int


class Incident(Shape):
    """A ticketed incident of the last window."""

    ticket: str
    starts: datetime
    paged_today: datetime | None
    paged_with_rules: datetime | None
    lost: bool
    delay_seconds: Number
    rules: list[str]


class Share(Shape):
    """Alerts by the value of a label."""

    value: str
    alerts: int
    acted: int
    paged_today: int
    paged_with_rules: int


class Noisy(Share):
    """An alert name that pages much today."""

    median_seconds: float
    rules: list[str]


class Replayed(Shape):
    """Details of ``replay_rules``."""

    window: Span
    stages: BothStages
    families: list[Family]
    rules: list[Done]
    incidents: list[Incident]
    teams: list[Share]
    noisiest: list[Noisy]


class Point(Shape):
    """A point of the trade-off curve."""

    rules: int
    pages: int
    lost: int


class Dropped(Shape):
    """A candidate that was not chosen."""

    rule: str
    family: str
    why: str


class Selected(Shape):
    """Details of ``select_rules``."""

    window: Span
    curve: list[Point]
    dropped: list[Dropped]


class Tried(Shape):
    """Candidates of a family."""

    tried: int
    found: int


class Mined(Shape):
    """Details of ``mine_rules``."""

    windows: dict[str, Span]
    families: dict[str, Tried]


class Kept(Shape):
    """A rule on the history's tables."""

    rule: str
    action: str
    reason: str
    broken_rows: int


class Frozen(Shape):
    """Details of ``alert_history``."""

    window: dict[str, date]
    counts: dict[str, int]
    days_missing: list[str]
    sources: dict[str, int]
    rules: dict[str, list[Kept]]


class Placed(Shape):
    """Where a rule was exported, or why not."""

    id: str
    exported: bool
    where: list[str] = Field(default_factory=list)
    why_not: list[str] = Field(default_factory=list)


class Exported(Shape):
    """Details of ``export_rules``."""

    rules: list[Placed]
    sources: dict[str, str]


class Unexpressed(Shape):
    """What PagerDuty's format got."""

    rules: int = 0
    not_expressed: list[object] = Field(default_factory=list)
    weaker: list[object] = Field(default_factory=list)


class Summary(Shape):
    """``rules/export/summary.json``."""

    changed_lines: int = 0
    pagerduty: Unexpressed = Field(default_factory=Unexpressed)


class Bad(Shape):
    """A published rule that hid an incident."""

    rule: str
    says: str
    lost: list[str]
    late: list[str]
    alone: bool
    do: str = ""


class Watched(Shape):
    """Details of ``watch_rules``; `released` is the release that was watched, if there is one."""

    released: str | None
    bad: list[Bad]
