"""Chapters "Limits", what was not checked, and "How to reproduce"."""

from pipelines.mlops.release_report.inputs import Inputs
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
    name,
    names,
    strong,
)


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about limits and what was not checked.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    return Chapter(
        anchor="limits",
        title="Limits",
        blocks=[
            Section("limits-use", "Use", [Items(_use(inputs))]),
            Section("limits-unchecked", "What was not checked", [Items(unchecked(inputs))]),
            Section("limits-intervals", "What the intervals mean", [Items(_intervals(inputs))]),
        ],
    )


def _use(inputs: Inputs) -> list[Text]:
    report = inputs.params.report
    return [
        join(strong("For: "), report.purpose, "."),
        join(strong("Not for: "), report.not_for, "."),
        "The gate’s decision says whether the evidence keeps to a policy that people wrote. It is "
        "no statement of law, and it does not replace the judgement of those who release.",
    ]


def unchecked(inputs: Inputs) -> list[Text]:
    """List what nobody checked.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    list of (str or Markup)
        A point each.
    """
    data, train = inputs.params.data, inputs.params.train
    points: list[Text] = [
        "Whether the target is the right thing to predict, and whether its labels are true or "
        "themselves the result of unfair treatment.",
        "How people act on the score: a figure about a model is not a figure about decisions.",
        "Whether the world today looks like the data. Test data comes from the same source as "
        "training data; drift is measured between data sets that exist, not against the future.",
        "Cause and effect. Importance says what the model leans on, not what brings a result "
        "about.",
        "Leaks of the target that need two columns together, or that are in some of the rows only: "
        "each column was looked at alone, and the model’s ROC AUC as a whole.",
        "Robustness against rows made to deceive the model, and whether training rows can be "
        "recovered from it.",
    ]
    if data.sensitive:
        points.append(
            join(
                "Fairness by anything other than ",
                names(list(data.sensitive)),
                _crossed(inputs),
                ".",
            )
        )
    else:
        points.append("Fairness: no sensitive feature is declared.")
    if data.sensitive and not train.use_sensitive:
        points.append(
            "The model does not see the sensitive features; columns that stand in for them were "
            "not removed."
        )
    if data.subject_key is None:
        points.append(
            "The data has no key for people: equal rows are taken for one subject, so one person "
            "with two different rows can stand on both sides of the split."
        )
    return points


def _crossed(inputs: Inputs) -> Text:
    pairs = inputs.params.data.intersections
    if not pairs:
        return " (each by itself, no combinations)"
    shown = [join(*_times(pair)) for pair in pairs]
    word = "combination" if len(pairs) == 1 else "combinations"
    return join(f" and the {word} ", *(join(s, ", ") for s in shown[:-1]), shown[-1])


def _times(features: list[str]) -> list[Text]:
    parts: list[Text] = []
    for feature in features:
        parts += [" × ", name(feature)] if parts else [name(feature)]
    return parts


def _intervals(inputs: Inputs) -> list[Text]:
    evaluate, audit = inputs.params.evaluate, inputs.params.bias_audit
    return [
        f"Intervals of performance are at {numbers.level(evaluate.confidence)} from "
        f"{numbers.count(evaluate.replicates)} bootstrap replicates, those of fairness at "
        f"{numbers.level(audit.confidence)} from {numbers.count(audit.replicates)}. They say how "
        "much a figure would move with other test rows drawn in the same way. They do not cover "
        "another training run, other data, wrong labels or a changed world.",
        "Each interval stands for itself. Among many figures some intervals miss the truth by "
        "chance; a table with many groups or slices should be read with that in mind. Only the "
        "tests between groups are corrected for their number.",
        "“Worst of all groups” figures pick the most extreme group, which chance alone makes look "
        "worse, the more groups there are.",
        "“Inconclusive” means that these data cannot tell. It is neither a pass nor a fail, and "
        "more test data is the usual cure.",
    ]


def reproduction_chapter() -> Chapter:
    """Build the chapter."""
    return Chapter(
        anchor="reproduce",
        title="How to reproduce this report",
        short="How to reproduce",
        blocks=[
            Prose(
                "This file holds no date, host or commit, because they would make two reports from "
                "the same evidence differ. The commit is the one under which the report is filed: "
                "the release’s git tag, or the run’s entry in the ledger."
            ),
            Code(
                [
                    "git checkout <commit or release tag>",
                    "dvc pull                  # artifacts as they were, from the remote",
                    "dvc status                # nothing may have changed",
                    "dvc repro --force         # or compute every stage anew",
                    "git diff --exit-code dvc.lock",
                    "signalbox verify reports/model_release.json   # prove it: hashes and figures",
                ],
                "Commands that reproduce the report",
            ),
            Items(
                [
                    join(
                        "On the same environment (",
                        code("requirements.lock"),
                        ") every file comes out with the same bytes, this page included; ",
                        code("dvc.lock"),
                        " then doesn’t change. Another processor or build of the numerical "
                        "libraries can change the last digits of a figure.",
                    ),
                    join(
                        "Every figure of the index below stands in ",
                        code("reports/model_release.json"),
                        " with its evidence file, that file’s SHA-256 and the hashes of what it "
                        "was computed from. Tables by group, slice or column are drawn from ",
                        code("details"),
                        " of the evidence file that their mark names.",
                    ),
                    join(
                        "When the stages ran, where and for how long stands in ",
                        code("run_facts/"),
                        " of the run and in the scheduler’s own record; who approved stands in "
                        "the ledger.",
                    ),
                ]
            ),
        ],
    )
