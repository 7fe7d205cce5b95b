"""Chapter "How to reproduce": the commands, and what must come out the same."""

from pipelines.reports.blocks import Chapter, Code, Items, Prose, code, join


def chapter() -> Chapter:
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
