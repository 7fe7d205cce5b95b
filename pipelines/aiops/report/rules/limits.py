"""Chapters "Limits" and "How to reproduce"."""

from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import JSON, Inputs
from pipelines.aiops.report.rules.headline import SYNTHETIC
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Chapter,
    Code,
    Items,
    Prose,
    Section,
    Text,
    code,
    join,
    strong,
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
        "“Nobody acted” means that no acknowledgement, ticket or fix was recorded. Somebody may "
        "have looked, been warned and done the right thing without a trace.",
        "The replay is a model of Alertmanager that tests compare with a real one. Times of pages "
        "are those of the model: no network, no restart, no person who silences by hand.",
        "Pages saved by a family or a rule are estimates: rules work together, and the saving of "
        "all is shared out among them.",
        "The test window is history too. New services, other load and other people make other "
        "noise, which is why every rule ends on a day.",
    ]


def _few(inputs: Inputs) -> str:
    share = inputs.figure("replay_rules.missed_share")
    if share is None or share.value is None:
        return (
            "No ticketed incident could be missed in the test window, so the risk of missing one "
            "is not known at all."
        )
    return (
        f"Few incidents prove little: {wording.number_of(share.n, 'incident')} in the test window "
        f"leave room for missing up to {numbers.percent(share.high)} of later ones with "
        f"{numbers.level(share.level)} confidence, even where none was missed."
    )


def _needs() -> list[Text]:
    return [
        join(
            "Guards are Prometheus rules over ",
            code("ALERTS"),
            ": they page when what a rule hides comes more often or lasts longer than ever. "
            "Without that Prometheus, or where alerts come from elsewhere, what is hidden stays "
            "hidden.",
        ),
        join(
            "A longer ",
            code("for"),
            " keeps an alert from existing at all: no history outside Prometheus will show what "
            "it suppressed.",
        ),
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
                        "What happens to every single alert of the test window, baseline and "
                        "candidate, stands in ",
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
