"""Chapters "The data it rests on", "Limits" and "How to reproduce"."""

from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import JSON, Inputs
from pipelines.aiops.report.rules.headline import SYNTHETIC
from pipelines.core.artifacts import evidence_of
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Code,
    Column,
    Facts,
    Fold,
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    code,
    join,
    name,
    strong,
)

_FIGURES = (
    ("days_covered", "Days with alerts"),
    ("alerts", "Alerts"),
    ("series", "Series of alerts"),
    ("acted_known_share", "Alerts known to be acted on or not"),
    ("open_share", "Alerts without an end"),
    ("assumed_share", "Alerts with an assumed end"),
    ("zero_length_share", "Alerts that end as they start"),
    ("quarantined_share", "Records in quarantine"),
    ("incidents", "Ticketed incidents"),
    ("incidents_linked_share", "Incidents linked to alerts"),
    ("suspicious_links", "Suspicious links"),
    ("suspiciously_linked_share", "Incidents with suspicious links alone"),
)
_TABLES = ("alerts", "tickets", "changes")


def data(inputs: Inputs) -> Chapter:
    """Build the chapter about the data that the report rests on.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    return Chapter(
        "data",
        "The data it rests on",
        [
            _facts(inputs),
            *_missing(inputs),
            *_parts(inputs),
            *_teams(inputs),
            *_suspicious(inputs),
            Fold("Sources and expectations", [_sources(inputs), _quality(inputs)]),
        ],
        "The data",
    )


def _facts(inputs: Inputs) -> Facts:
    items: list[tuple[str, Text]] = []
    for key, label in _FIGURES:
        figure_id = f"alert_history.{key}"
        figure = inputs.figure(figure_id)
        if figure is None:
            continue
        value = numbers.figure_value(figure).partition(wording.SPACE)[0]
        items.append((label, join(value, inputs.sources.figure_mark(figure_id))))
    window = inputs.frozen.window
    first, last = (wording.one_line(day.isoformat()) for day in (window.first, window.last))
    items.insert(0, ("Window", join(first, " to ", last)))
    return Facts(items)


def _missing(inputs: Inputs) -> list[Block]:
    missing = inputs.frozen.days_missing
    if not missing:
        return [Prose("No day of the window is without alerts.")]
    shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if missing[10:] else "")
    label = f"{wording.number_of(len(missing), 'day')} without alerts"
    return [Callout("open", label, join(name(shown), ": none fired, or none was recorded."))]


def _parts(inputs: Inputs) -> list[Block]:
    """List the parts of the history, each judged by rules that were mined on the others."""
    parts = inputs.replayed.windows
    if not parts:
        return []
    rows = [
        Row(
            [
                f"Part {number}",
                wording.day(part.start),
                wording.day(part.end),
                f"{part.length():g}",
                f"rules from all but part {number}",
            ]
        )
        for number, part in enumerate(parts, 1)
    ]
    table = Table(
        caption="The parts that judge (UTC; the end is not part of it)",
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Part"),
            Column("From"),
            Column("To"),
            Column("Days", numeric=True),
            Column("Judges", wide=True),
        ],
        rows=rows,
        note="The rules that are released were mined on the whole history in the same way; their "
        "figures out of sample are those of these parts.",
    )
    return [table]


def _teams(inputs: Inputs) -> list[Block]:
    """List what each team's records can prove."""
    if not inputs.frozen.teams:
        return []
    rows = [
        Row(
            [
                name(wording.short(each.team, 80) or "(no team)"),
                numbers.count(each.alerts),
                numbers.count(each.days),
                numbers.count(each.incidents),
                numbers.percent(each.acted_known_share),
            ]
        )
        for each in inputs.frozen.teams
    ]
    table = Table(
        caption="What each team’s records can prove",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[
            Column("Team"),
            Column("Alerts", numeric=True),
            Column("Days with alerts", numeric=True),
            Column("Incidents its alerts name", numeric=True),
            Column("Acted on or not is known", numeric=True),
        ],
        rows=rows,
    )
    return [Fold(f"Records of {wording.number_of(len(rows), 'team')}", [table])]


def _suspicious(inputs: Inputs) -> list[Block]:
    """Links that hardly hold: an incident is judged by the alerts that it is linked to."""
    found = inputs.frozen.suspicious_links
    if not found:
        return []
    rows = [
        Row([name(wording.short(each.ticket, 80)), name(wording.short(each.alert, 80)),
             name(wording.short(each.reason, 160))])
        for each in found
    ]  # fmt: skip
    table = Table(
        caption="Alerts and incidents that hardly belong together, the first of them",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[Column("Incident"), Column("Alert"), Column("The alert", wide=True)],
        rows=rows,
    )
    return [Fold("Suspicious links: the incident is judged by these alerts", [table])]


def _sources(inputs: Inputs) -> Table:
    found = sorted(inputs.frozen.sources.items(), key=lambda item: (-item[1], item[0]))
    return Table(
        caption="Where the alerts come from",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[Column("Source"), Column("Alerts", numeric=True)],
        rows=[Row([name(wording.short(source, 80)), numbers.count(n)]) for source, n in found],
    )


def _quality(inputs: Inputs) -> Table:
    frozen = inputs.frozen
    rows = []
    for table in _TABLES:
        rules = frozen.rules.get(table, [])
        broken = [f"{rule.rule} ({rule.broken_rows:,})" for rule in rules if rule.broken_rows]
        count = numbers.count(frozen.counts.get(table))
        rows.append(Row([table, count, str(len(rules)), name("; ".join(broken) or "none")]))
    rows.append(Row(["quarantine", numbers.count(frozen.counts.get("quarantined")), "", ""]))
    return Table(
        caption="Records and the expectations they were checked against",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[
            Column("Table"),
            Column("Records", numeric=True),
            Column("Expectations", numeric=True),
            Column("Not met (records)", wide=True),
        ],
        rows=rows,
    )


def limits(inputs: Inputs) -> Chapter:
    """Build the chapter about what the figures do not say.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    return Chapter(
        "limits",
        "Limits",
        [
            Section("limits-use", "Use", [Items(_use(inputs))]),
            Section("limits-known", "What the figures do not say", [Items(_unknown(inputs))]),
            Section("limits-needs", "What the rules need to be safe", [Items(_needs())]),
        ],
    )


def _use(inputs: Inputs) -> list[Text]:
    report = inputs.params.report_rules
    about_data: list[Text] = [join(strong("Synthetic: "), SYNTHETIC)] if inputs.synthetic else []
    return [
        *about_data,
        join(strong("For: "), report.purpose, "."),
        join(strong("Not for: "), report.not_for, "."),
        "The gate says whether the evidence keeps to a policy that people wrote. Whether a page "
        "may be taken from a person is for people to decide.",
    ]


def _unknown(inputs: Inputs) -> list[Text]:
    return [
        _few(inputs),
        "Only ticketed incidents count as incidents. What nobody wrote a ticket for, or linked to "
        "its alerts, cannot be missed here and can be missed in truth.",
        "A page is taken as telling of an incident if it names one of its alerts, or is about its "
        "service while it lasts. Whether whoever is woken by it finds the incident is not "
        "known.",
        "The replay is a model of Alertmanager and of Prometheus’s rules that tests compare with "
        "real ones. Times of pages are those of the model: no network, no restart, no person who "
        "silences by hand.",
        "Pages saved by a rule are estimates: rules work together, and the saving of all is shared "
        "out among them.",
        "An alert that is real once, alone and at its usual length looks like its noise: nothing "
        "in the records tells the two apart, so a few such incidents are missed or late.",
        "The history is past. New services, other load and other people make other noise: what "
        "is new pages at once, and every rule ends on a day.",
    ]


def _few(inputs: Inputs) -> str:
    share = inputs.figure("replay_rules.missed_share")
    if share is None or share.value is None:
        return (
            "No credible incident could be missed on these days, so the risk of missing one is not "
            "known at all."
        )
    return (
        f"Few incidents prove little: {wording.number_of(share.n, 'credible incident')} leave room "
        f"for missing up to {numbers.percent(share.high)} of later ones with "
        f"{numbers.level(share.level)} confidence; a share of 1% can’t be told from one of 3%."
    )


def _needs() -> list[Text]:
    return [
        join(
            "What is held is paged by Prometheus’s rules over ",
            code("ALERTS"),
            ". Without that Prometheus, or where alerts come from elsewhere, what is held stays "
            "in chat: export holds only what a Prometheus of yours sends.",
        ),
        "Chat has to be there and be read by day: it is told of every held alert at once, and it "
        "is where a page leads for what came before.",
        "Published rules have to be watched: the next scheduled run replays what happened since "
        "and reports a rule that hid an incident before anything else.",
    ]


def reproduce() -> Chapter:
    """Build the chapter with the commands."""
    return Chapter(
        "reproduce",
        "How to reproduce this report",
        [
            Prose(
                "This file holds no date of its making, host or commit, because they would make "
                "two reports from the same evidence differ. The commit is the one under which the "
                "report is filed: the release’s git tag, or the run’s entry in the ledger."
            ),
            Code(
                [
                    "git checkout <commit or release tag>",
                    "dvc pull                        # artifacts as they were, from the remote",
                    "dvc status                      # nothing may have changed",
                    "dvc repro --force report_rules  # or compute every stage anew",
                    "git diff --exit-code dvc.lock",
                    f"signalbox verify {JSON}   # prove it: hashes and figures",
                ],
                "Commands that reproduce the report",
            ),
            Items(
                [
                    join(
                        "What happens to every single alert, today and with the rules, stands in ",
                        code("rules/outcomes.parquet"),
                        "; the rules in full in ",
                        code("rules/rule_set.json"),
                        ".",
                    ),
                    join(
                        "Every figure of the index below stands in ",
                        code(JSON.as_posix()),
                        " with its evidence file, that file’s SHA-256 and the hashes of what it "
                        "was computed from.",
                    ),
                    join(
                        "When the stages ran and where stands in ",
                        code("run_facts/"),
                        "; who approved stands in the ledger.",
                    ),
                ]
            ),
        ],
        "How to reproduce",
    )
