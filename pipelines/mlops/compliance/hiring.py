"""NYC Local Law 144 (6 RCNY 5-300 to 5-304) and the four-fifths rule (29 CFR 1607.4 D)."""

from datetime import date

from pipelines.core.artifacts import evidence_of
from pipelines.core.settings import is_filled_in
from pipelines.mlops.compliance.facts import Facts, day
from pipelines.mlops.compliance.requirement import Check, Law, Requirement
from pipelines.mlops.fairness.result import AuditResult, DimensionResult, GroupRow
from pipelines.mlops.release_report.fairness_tables import FOUR_FIFTHS, is_below
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Column,
    Prose,
    Row,
    Section,
    Table,
    Text,
    name,
)

LL144 = "https://rules.cityofnewyork.us/rule/automated-employment-decision-tools-2/"
EEOC = "https://www.ecfr.gov/current/title-29/part-1607/section-1607.4"
LOCAL_LAW = "ll144"
"""Anchor of the law's chapter, which `tables` stand in."""
YEAR = 365
"""Days that an audit may be old when the tool is used (Admin. Code 20-871)."""

MIN_SHARE = 0.02
"""6 RCNY 5-301(d): an auditor may leave out categories below 2 % of the data, and must say so."""


def local_law(facts: Facts) -> Law:
    """Hold the bias audit against Local Law 144."""
    own = facts.own
    return Law(LOCAL_LAW, "New York City, Local Law 144", "Local Law 144",
               "Binding for tools that substantially help to decide on hiring or promotion in New "
               "York City. It asks for figures and their publication, and sets no threshold.",
               LL144, [
        Requirement(
            "ll144.sex", "6 RCNY 5-301(b)", "By sex",
            "Selection rate and impact ratio of each category, against the most selected one.",
            [_dimension(facts, own.sex) if own.sex else _unnamed(facts, ("sex", ""))],
            "The model's yes or no at its threshold is audited. Where the score itself is handed "
            "on, 5-301(c) asks for rates above the median score instead."),
        Requirement(
            "ll144.race", "6 RCNY 5-301(b)", "By race and ethnicity",
            "Selection rate and impact ratio of each category, against the most selected one.",
            [_dimension(facts, own.race) if own.race else _unnamed(facts, ("race", ""))],
            "The rules take the categories of the EEO-1 report; whether the data's own are these "
            "is for the auditor to say."),
        Requirement(
            "ll144.both", "6 RCNY 5-301(b)", "By combinations of sex and race",
            "The same for every combination.",
            [_dimension(facts, own.sex, own.race) if own.sex and own.race
             else _unnamed(facts, ("sex", own.sex), ("race", own.race))]),
        Requirement(
            "ll144.exclusions", "6 RCNY 5-301(d)", "Small categories",
            "A category below 2% of the data may be left out of the ratios; then the auditor gives "
            "the reason, and still its number and rate.",
            [_exclusions(facts)]),
        Requirement(
            "ll144.unknown", "6 RCNY 5-301, 5-303", "Unknown category",
            "The number of people assessed whose category isn't known is stated.",
            [_unknown(facts)]),
        Requirement(
            "ll144.data", "6 RCNY 5-302", "Historical data or test data",
            "Historical data of the tool's use; test data only where there is not enough, with the "
            "reason and how it was obtained.",
            [facts.detail("ingest", "files", "Source of the data"),
             _historical(facts),
             facts.said(own.test_data, "Why test data", "compliance.test_data")]),
        Requirement(
            "ll144.auditor", "6 RCNY 5-300", "Independent auditor",
            "Someone who did not build, sell or use the tool and has no interest in it.",
            [facts.said(own.auditor, "Auditor", "compliance.auditor")],
            "Figures that Signalbox computes can be given to an auditor; they do not replace one."),
        Requirement(
            "ll144.dates", "Admin. Code 20-871, 6 RCNY 5-303", "Dates and publication",
            "Audited no more than a year before use; date of the audit, distribution date and "
            "summary are published.",
            [_date(facts),
             facts.logged("Distribution date", "release"),
             facts.said(own.published, "Published at", "compliance.published")]),
    ])  # fmt: skip


def four_fifths(facts: Facts) -> Law:
    """Hold the selection rates against the rule of thumb."""
    dimensions = (("sex", facts.own.sex), ("race", facts.own.race))
    return Law("four-fifths", "EEOC, four-fifths rule of thumb", "Four-fifths rule",
               "A rule of thumb of the US agencies, no definition of discrimination: smaller "
               "differences can matter and greater ones need not (29 CFR 1607.4 D). It knows race, "
               "sex and ethnic group; combinations and age are our addition. “Met” means: no "
               "ratio below 0.8.",
               EEOC, [
        Requirement(
            f"eeoc.{part}", "29 CFR 1607.4 D", f"Four fifths, by {feature or part}",
            "A selection rate below four fifths of the highest group's is generally taken as "
            "evidence of adverse impact.",
            [_ratios(facts, feature) if feature else _unnamed(facts, (part, feature))],
            "0.8 is the agencies' number for screening; Z and Fisher tests in the release report "
            "say what chance could do.")
        for part, feature in dimensions
    ])  # fmt: skip


def tables(facts: Facts) -> list[Block]:
    """Tables as Local Law 144 asks for: number, selection rate, impact ratio of every category."""
    found = [d for d in (_find(facts, *f) for f in _law_dimensions(facts)) if d is not None]
    if not found:
        why = "The bias audit has none of the features that release.yaml names (compliance.sex, "
        return [Callout("bad", "Missing", f"{why}compliance.race).")]
    audit = facts.audit
    assert audit is not None
    intro = Prose(
        f"Computed on the {numbers.count(audit.rows)} rows of the test split, of "
        f"{numbers.count(audit.subjects)} people; intervals and tests stand in the release report. "
        f"{_selected_means(audit)}Here, and only here, a category "
        f"below {numbers.percent(audit.min_share)} of the rows is left out of the ratios "
        "(bias_audit.min_share, 6 RCNY 5-301(d)); the gate leaves no group out for its share."
    )
    return [Section("ll144-tables", "Selection rates and impact ratios",
                    [intro, *(_table(d, audit) for d in found)])]  # fmt: skip


def _selected_means(audit: AuditResult) -> str:
    """Say what the law's "selected" is where the model's positive decision is the bad one."""
    if not audit.is_punitive:
        return ""
    return "The model flags people for a bad outcome: who is not flagged counts as selected. "


def law_ratios(dimension: DimensionResult, audit: AuditResult) -> dict[str, float | None]:
    """Compute impact ratios as Local Law 144 asks for them.

    Parameters
    ----------
    dimension : DimensionResult
        Sex, race, or both.
    audit : AuditResult
        Says what the favourable decision is, and below which share a category is left out.

    Returns
    -------
    dict of str to float or None
        Category → its rate over that of the most selected one; of those that have at least the
        minimum share of all rows, and only among them. None where nobody is selected.
    """
    rates = {
        group.group: group.rates[audit.favourable_rate].value
        for group in dimension.groups
        if group.role != "unknown" and group.share >= audit.min_share
    }
    top = max((rate for rate in rates.values() if rate is not None), default=0.0)
    return {label: None if rate is None or not top else rate / top for label, rate in rates.items()}


def _table(dimension: DimensionResult, audit: AuditResult) -> Table:
    ratios = law_ratios(dimension, audit)
    rows = []
    for group in dimension.groups:
        rate, ratio = group.rates.get(audit.favourable_rate), ratios.get(group.group)
        cells: list[Text] = [
            name(group.group),
            numbers.count(group.subjects),
            numbers.count(group.n),
            numbers.percent(rate.value if rate else None),
            numbers.decimal(ratio),
            _remark(group, audit),
        ]
        rows.append(Row(cells, strong=ratio is not None and ratio < FOUR_FIFTHS))
    rate_name = "Selection rate" + (" (not flagged)" if audit.is_punitive else "")
    return Table(
        caption=f"By {dimension.dimension.replace('&', '×')}",
        columns=[Column("Category"), Column("People", numeric=True), Column("Rows", numeric=True),
                 Column(rate_name, numeric=True), Column("Impact ratio", numeric=True),
                 Column("Remark", wide=True)],
        rows=rows,
        note="Bold: impact ratio below 0.8.",
    )  # fmt: skip


def _remark(group: GroupRow, audit: AuditResult) -> str:
    if group.role == "unknown":
        return "category unknown"
    small = group.share < audit.min_share
    return "below the minimum share, left out of the ratios" if small else ""


def _find(facts: Facts, *features: str) -> DimensionResult | None:
    audit = facts.audit
    for dimension in audit.dimensions if audit else ():
        if sorted(dimension.features) == sorted(features):
            return dimension
    return None


def _date(facts: Facts) -> Check:
    """Date of the audit, and whether a year has passed by the time of the ledger's last entry."""
    gates = facts.of_kind("gate")
    if gates and not facts.ledger_problem:
        made, now = (date.fromisoformat(day(e)) for e in (gates[-1], facts.entries[-1]))
        if (now - made).days > YEAR:
            return Check(f"The last audit is of {made}, more than a year ago", False, refuted=True)
    return facts.logged("Date of the audit", "gate")


def _unnamed(facts: Facts, *features: tuple[str, str]) -> Check:
    """Check that cannot be made: release.yaml doesn't say which column is sex, which is race."""
    keys = [f"compliance.{key}" for key, column in features if not column]
    return _check("; ".join(facts.unfilled(key) for key in keys), False)


def _historical(facts: Facts) -> Check:
    """Say how much the tool was used: data of that use is what the rules ask for first."""
    used = facts.used("Historical data")
    if not used.found or not facts.use.rows:
        return used
    told = f"{used.shown}; the audit is of test data, so a reason is needed why that is not enough"
    return Check(told, is_filled_in(facts.own.test_data), used.paths)


def _path(facts: Facts) -> tuple[str, ...]:
    path = evidence_of("bias_audit").as_posix()
    return (path,) * facts.has(path)


def _check(shown: str, found: bool, paths: tuple[str, ...] = (), *, refuted: bool = False) -> Check:
    return Check(shown, found, paths, refuted, from_evidence=True)


def _dimension(facts: Facts, *features: str) -> Check:
    shown = " × ".join(features)
    found = _find(facts, *features)
    if found is None:
        return _check(f"{shown}: not in the bias audit (data.sensitive, data.intersections)", False)
    ratios = law_ratios(found, facts.audit) if facts.audit else {}
    if len(ratios) < 2:
        return _check(f"{shown}: fewer than two groups to compare", False)
    return _check(f"{shown}: {len(found.groups)} categories, {len(ratios)} ratios",
                 True, _path(facts))  # fmt: skip


def _exclusions(facts: Facts) -> Check:
    audit = facts.audit
    if audit is None:
        return _check("No bias audit", False)
    dimensions = [_find(facts, *f) for f in _law_dimensions(facts)]
    left_out = [
        group
        for dimension in dimensions
        for group in (dimension.groups if dimension else [])
        if group.role != "unknown" and group.share < audit.min_share
    ]
    if audit.min_share > MIN_SHARE:
        return _check(f"bias_audit.min_share leaves out up to {numbers.percent(audit.min_share)}, "
                     "more than the rules' 2%", False, refuted=True)  # fmt: skip
    bare = [g.group for g in left_out if g.rates[audit.favourable_rate].value is None]
    if bare:
        return _check(f"Left out without a rate: {', '.join(bare)}", False, refuted=True)
    return _check(f"{len(left_out)} categories left out, as each is below "
                 f"{numbers.percent(audit.min_share)} of the rows; number and rate are shown", True,
                 _path(facts))  # fmt: skip


def _law_dimensions(facts: Facts) -> list[tuple[str, ...]]:
    own = facts.own
    return [(own.sex,), (own.race,), (own.sex, own.race)]


def _unknown(facts: Facts) -> Check:
    found = [d for d in (_find(facts, facts.own.sex), _find(facts, facts.own.race)) if d]
    if not found:
        return _check("No bias audit by a feature of compliance.sex or compliance.race", False)
    shown = ", ".join(f"{d.dimension}: {numbers.count(d.unknown.n)}" for d in found)
    return _check(f"Unknown by {shown}", True, _path(facts))


def _ratios(facts: Facts, feature: str) -> Check:
    dimension = _find(facts, feature)
    ratios = (
        [r for r in dimension.impact_ratios if r.estimate.value is not None] if dimension else []
    )
    if not ratios:
        return _check("No impact ratio was measured", False)
    worst = min(ratios, key=lambda ratio: ratio.estimate.value or 0.0)
    shown = f"Lowest ratio {numbers.decimal(worst.estimate.value)} ({worst.group})"
    if is_below(worst):
        return _check(f"{shown}, below 0.8", False, _path(facts), refuted=True)
    return _check(f"{shown}, at least 0.8", True, _path(facts))
