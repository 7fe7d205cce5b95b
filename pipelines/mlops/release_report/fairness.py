"""Chapter "Fairness": who is selected how often, how surely, and what a change would cost."""

from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Figure
from pipelines.mlops.fairness.disparity import ImpactRatio
from pipelines.mlops.fairness.evidence import BiasAuditDetails
from pipelines.mlops.fairness.result import AuditResult, DimensionResult
from pipelines.mlops.release_report.fairness_tables import (
    FOUR_FIFTHS,
    error_name,
    error_tables,
    exclusions,
    is_below,
    others,
    rate_table,
    ratio_table,
    ratio_text,
    side,
    tests,
)
from pipelines.mlops.release_report.inputs import Inputs
from pipelines.mlops.release_report.mitigation import section as mitigation_section
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Items,
    Prose,
    Section,
    Text,
    join,
    name,
    strong,
)
from pipelines.reporting.decision import join_words

WORST_RATIO = "bias_audit.worst_impact_ratio:"
"""Start of the ids of the worst impact ratio of one dimension."""


def headline(inputs: Inputs) -> Text:
    """Say in one sentence who is selected how much less often.

    From the figures the gate judges, so that decision and sentence show the same interval.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    Text
        The sentence; "" if no group falls behind.
    """
    audit = inputs.details("bias_audit", BiasAuditDetails).audit
    single = {d.dimension for d in audit.dimensions if len(d.features) < 2} if audit else set()
    parts: list[Text] = []
    for figure in inputs.evidence["bias_audit"].figures:
        where = figure.where
        named = figure.id.startswith(WORST_RATIO) and where.get("dimension") in single
        if named and figure.value is not None and figure.value < FOUR_FIFTHS:
            parts.append(_behind(figure, inputs))
    if not parts:
        return ""
    end = ". Four fifths (0.8) is where a closer look is customary."
    start = (
        "Some groups are flagged far more often than others; rate of not being flagged: "
        if audit and audit.is_punitive
        else "Some groups are selected far less often than others: "
    )
    return join(start, join_words(parts, "; "), end)


def _behind(figure: Figure, inputs: Inputs) -> Text:
    where = figure.where
    return join(
        "by ",
        name(where["dimension"]),
        ", ",
        strong(name(where.get("lowest", numbers.NONE))),
        f" at {numbers.decimal(figure.value)} ({numbers.interval(figure.low, figure.high)}) of "
        "the rate of ",
        name(where.get("highest", numbers.NONE)),
        inputs.sources.figure_mark(figure.id),
    )


def findings(audit: AuditResult, harm: list[Block]) -> list[Block]:
    """Say in plain words which groups fall behind, and what one could do about it.

    Parameters
    ----------
    audit : AuditResult
        Rates, ratios and tests of all dimensions.
    harm : list of Block
        Who suffers the errors that harm people; stands before what could be done.

    Returns
    -------
    list of Block
        Paragraphs.
    """
    below = [(d, r) for d in audit.dimensions for r in d.impact_ratios if is_below(r)]
    if not below:
        return [
            Callout(
                "info",
                "No group below four fifths",
                f"No compared group is {audit.favoured} at under four fifths of the rate of the "
                f"{audit.words.most_favoured} group. That is a screening figure and no proof of "
                f"fairness; the intervals below say how sure it is.{_of_few(audit)}",
            ),
            *harm,
        ]
    worst = sorted(below, key=lambda pair: pair[1].estimate.value or 0)
    return [
        Callout("bad", f"Below four fifths in {len(below)} of {_compared(audit)} comparisons",
                _worst_words(*worst[0], audit)),
        Items([_one_line(d, r) for d, r in worst[:12]]),
        *([Prose(f"… and {len(worst) - 12} more in the tables below.")] if worst[12:] else []),
        *harm,
        Section("fairness-meaning", "What this means, and what one could do", _meaning(audit)),
    ]  # fmt: skip


def _of_few(audit: AuditResult) -> str:
    """Warn that hardly anybody is flagged in most data, and a ratio of the others hides that."""
    if not audit.is_punitive:
        return ""
    return (
        " Where few people are flagged at all, the rates of not being flagged are always alike: "
        "read the flag rates and the errors below."
    )


def errors(audit: AuditResult, inputs: Inputs) -> list[Block]:
    """Say in plain words who suffers the errors that harm people most, and least.

    Parameters
    ----------
    audit : AuditResult
        Says which errors harm, and has the groups' rates.
    inputs : Inputs
        Has the figures that name the groups furthest apart, and the labels' names.

    Returns
    -------
    list of Block
        A section; empty where nothing can be compared.
    """
    lines = [
        line
        for dimension in audit.dimensions
        for rate in audit.harmful_rates
        if (line := _error_line(dimension, rate, audit, inputs))
    ]
    if not lines:
        return []
    data = inputs.params.data
    about = join(
        "The good outcome for a person is ",
        name(data.favourable),
        f" (data.favourable), so whoever is wrongly {_harmed(audit)} is harmed. Which rate matters "
        "is a question of how many are touched: where the decision reaches a large part of the "
        f"people, the {error_name(audit.harmful_rates[0]).lower()}; where it reaches a small part, "
        f"the {error_name(audit.harmful_rates[1]).lower()} (Aequitas’ fairness tree, Saleiro et "
        "al. 2018).",
    )
    return [Section("fairness-errors", f"Who is wrongly {_harmed(audit)}",
                    [Prose(about), Items(lines)])]  # fmt: skip


def _harmed(audit: AuditResult) -> str:
    return audit.words.selected if audit.is_punitive else audit.words.not_selected


def _error_line(dimension: DimensionResult, rate: str, audit: AuditResult, inputs: Inputs) -> Text:
    suffix = "".join(dimension.dimension.split())
    figure = inputs.figure(f"bias_audit.largest_{rate}_difference:{suffix}")
    if figure is None or figure.value is None:
        return ""
    rates = {g.group: g.rates[rate].value for g in dimension.groups if rate in g.rates}
    highest, lowest = (figure.where.get(key, "") for key in ("highest", "lowest"))
    high, low = rates.get(highest), rates.get(lowest)
    if high is None or low is None:
        return ""
    good = name(inputs.params.data.favourable)
    words, by_truth = audit.words, rate == audit.harmful_rates[0]
    who = join(" whose true label is ", good) if by_truth else f" who are {_harmed(audit)}"
    count = f"{high * 1000:,.0f}"
    if not by_truth:
        counted = join(count, " are ", good, " in truth")
    elif audit.is_punitive:
        counted = join(f"the model {words.selects} {count}")
    else:
        counted = join(f"{count} are {words.not_selected}")
    return join(
        name(dimension.dimension),
        ": of 1,000 people of ",
        strong(name(highest)),
        who,
        ", ",
        counted,
        "; of 1,000 of ",
        name(lowest),
        f", {low * 1000:,.0f} ({error_name(rate).lower()}; difference "
        f"{numbers.decimal(figure.value)}, {numbers.interval(figure.low, figure.high)})",
        inputs.sources.figure_mark(figure.id),
    )


def _compared(audit: AuditResult) -> int:
    """Comparisons of a group with another one, over all dimensions."""
    return sum(r.versus != r.group for d in audit.dimensions for r in d.impact_ratios)


def _worst_words(dimension: DimensionResult, ratio: ImpactRatio, audit: AuditResult) -> Text:
    rates = {g.group: g.rates.get("selection_rate") for g in dimension.groups}
    low, high = rates.get(ratio.group), rates.get(ratio.versus or "")
    start = join("The furthest behind is ", name(ratio.group), " (by ", name(dimension.dimension))
    if low is None or high is None or low.value is None or high.value is None:
        return join(start, f"), with an impact ratio of {numbers.decimal(ratio.estimate.value)}.")
    return join(
        start,
        f"): of 1,000 such people the model {audit.words.selects} {low.value * 1000:,.0f}, of "
        "1,000 of ",
        name(ratio.versus),
        f" it {audit.words.selects} {high.value * 1000:,.0f}. The impact ratio"
        f"{' of not being flagged' if audit.is_punitive else ''} is {ratio_text(ratio)}.",
    )


def _one_line(dimension: DimensionResult, ratio: ImpactRatio) -> Text:
    return join(
        name(dimension.dimension),
        ": ",
        strong(name(ratio.group)),
        f" at {ratio_text(ratio)} of the rate of ",
        name(ratio.versus),
        f"; {side(ratio)}",
    )


def _meaning(audit: AuditResult) -> list[Block]:
    return [
        Prose(
            "Four fifths (29 CFR 1607.4 D) is a rule of thumb of United States enforcement "
            "agencies for when to look closer, written for race, sex and ethnic group; for "
            "other features it is used here as a yardstick only. It is a screening figure and "
            "not a verdict of law: a ratio above it does not clear a model, one below it does "
            "not convict it. Where the true rates already differ between groups, a model that "
            "is right about everybody shows the difference too. Whether it may be used all "
            "the same depends on what is decided with it."
        ),
        Items(
            [
                join(strong("Ask about the target first. "),
                     "If the label itself records past unfairness, no threshold mends it."),
                join(strong("Look at the inputs. "),
                     "Columns that stand in for a group can be left out, at a cost in accuracy "
                     "that the next run shows."),
                join(strong("Compare error rates as well. "),
                     "Equal opportunity asks whether those who did nothing are flagged equally "
                     "rarely (FPR); it can fail where flag rates agree and the reverse."
                     if audit.is_punitive else
                     "Equal opportunity (TPR) asks whether those who deserve selection are found "
                     "equally often; it can fail where selection rates agree and the reverse."),
                join(strong("Weigh the what-if below. "),
                     f"Thresholds per group close the gap in {audit.words.rate}s; they need the "
                     "sensitive feature at decision time and are unlawful for some uses."),
                join(strong("Or do not use a model for this. "),
                     "That is a possible outcome of an audit."),
            ]
        ),
    ]  # fmt: skip


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about fairness.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    audited = inputs.details("bias_audit", BiasAuditDetails)
    audit = audited.audit
    mark = inputs.sources.mark(evidence_of("bias_audit"))
    if audit is None or not audit.dimensions:
        return Chapter("fairness", "Fairness", [_nothing_audited()])
    blocks: list[Block] = [
        *findings(audit, errors(audit, inputs)),
        _how_to_read(audit, inputs),
        *(_dimension(d, i, audit, mark) for i, d in enumerate(audit.dimensions, start=1)),
        mitigation_section(audited, audit, mark),
    ]
    if audit.notes:
        blocks.append(Section("fairness-notes", "Method", [Items(audit.notes)]))
    return Chapter("fairness", "Fairness", blocks)


def _nothing_audited() -> Callout:
    return Callout(
        "open",
        "Not audited",
        "No sensitive feature is declared (data.sensitive is empty), so nothing on this page says "
        "whether the model treats groups of people alike.",
    )


def _how_to_read(audit: AuditResult, inputs: Inputs) -> Prose:
    level = numbers.level(audit.level)
    data = inputs.params.data
    kind = (
        "is bad for the person: whoever gets it is flagged"
        if audit.is_punitive
        else "is good for the person: whoever gets it is selected"
    )
    return Prose(join(
        f"All figures below are computed on the {numbers.count(audit.rows)} rows of test data, of "
        f"{numbers.count(audit.subjects)} people; rates count rows, and how sure they are follows "
        "from the people. "
        f"Whiskers are {level} intervals from {numbers.count(audit.replicates)} bootstrap "
        "replicates, in which people are drawn with all of their rows; a dashed line marks four "
        "fifths. The decision ",
        name(data.positive),
        f" {kind}; the favourable outcome is ",
        name(data.favourable),
        " (data.favourable).",
    ))  # fmt: skip


def _dimension(dimension: DimensionResult, number: int, audit: AuditResult, mark: Text) -> Section:
    anchor = f"fairness-{number}"
    return Section(
        anchor,
        join("By ", name(dimension.dimension)),
        [
            rate_table(dimension, "selection_rate", audit.words.rate.capitalize(), mark, audit),
            *ratio_table(dimension, mark, audit),
            rate_table(dimension, "tpr", f"True positive rate{_opportunity(audit)}", mark, audit),
            rate_table(dimension, "fpr", "False positive rate", mark, audit),
            *error_tables(dimension, mark, audit),
            others(dimension, mark),
            *tests(dimension, audit, mark),
            *exclusions(dimension, audit, mark),
        ],
    )


def _opportunity(audit: AuditResult) -> str:
    """Equal opportunity is about those whose true label is the favourable one."""
    return "" if audit.is_punitive else " (equal opportunity)"
