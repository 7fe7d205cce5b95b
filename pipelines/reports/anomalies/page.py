"""The page about anomalies: findings by service, then what was looked at and how."""

from pathlib import Path

from pipelines.reports import index, numbers
from pipelines.reports.anomalies.services import chapters
from pipelines.reports.blocks import Headline, Text, Tone, join, strong
from pipelines.reports.incidents import frame, looked_at, words
from pipelines.reports.incidents.inputs import INCIDENTS, LOGS, METRICS, Inputs
from pipelines.reports.incidents.places import Places
from pipelines.reports.page import Banner, Page
from pipelines.reports.provenance import Sources

KIND = "anomalies"
TITLE = "Anomalies in metrics and logs"
TABLES = (METRICS, LOGS, INCIDENTS)


def make_page(inputs: Inputs, places: Places, sources: Sources) -> Page:
    """Put services with the rarest findings first."""
    return Page(
        kind="Anomalies" + frame.synthetic(inputs),
        title=TITLE,
        banner=_banner(inputs, places),
        headline=_headline(inputs, sources),
        facts=frame.facts(inputs),
        notice_label=frame.notice_label(inputs),
        notice=frame.notice(inputs),
        chapters=[
            *chapters(inputs, places, sources),
            looked_at.of_anomalies(inputs, sources),
            index.chapter(sources),
        ],
        foot=index.foot(Path(f"reports/{KIND}.json")),
        styles=("folds.css", "incidents.css"),
    )


def says(inputs: Inputs) -> str:
    """Say what the page comes to, in a few words."""
    n = len(inputs.found)
    return f"{n:,} anomal{'y' if n == 1 else 'ies'}" if n else "No anomalies"


def _banner(inputs: Inputs, places: Places) -> Banner:
    tone: Tone = "open" if inputs.found or looked_at.nothing_seen(inputs) else "good"
    sentences: list[Text] = []
    if inputs.found:
        rarest = max(inputs.found.values(), key=lambda f: (f.score, -f.start_us, f.id))
        services = {one.service for one in inputs.found.values() if one.service}
        sentences.append(f"In {words.number_of(len(services), 'service')}.")
        sentences.append(
            join(
                "The rarest: ",
                strong(
                    places.finding(
                        rarest.id, words.sentence(rarest.sentence, rarest.kind, 200), page=""
                    )
                ),
                f" – {words.rareness(rarest.score)}.",
            )
        )
    elif tone == "open":
        sentences.append("But there was nothing to look at: no metrics and no logs.")
    else:
        sentences.append("Nothing was rare enough for a run that looked at so much.")
    return Banner(says(inputs), tone, sentences)


def _headline(inputs: Inputs, sources: Sources) -> Headline:
    metrics, logs = inputs.metrics, inputs.logs
    grouped = {id_ for one in inputs.incidents.incidents for id_ in inputs.members(one)}
    together = sum(id_ in grouped for id_ in inputs.found)
    return Headline(
        [
            (
                "In metrics",
                numbers.count(len(metrics.findings)),
                join(_of(metrics.counts.get("series"), "series"), sources.mark(METRICS)),
            ),
            (
                "In logs",
                numbers.count(len(logs.findings)),
                join(_of(logs.counts.get("lines"), "lines"), sources.mark(LOGS)),
            ),
            (
                "Part of incidents",
                numbers.count(together),
                join("of these findings", sources.mark(INCIDENTS)),
            ),
        ]
    )


def _of(n: object, noun: str) -> str:
    return f"among {n:,} {noun}" if isinstance(n, int) else f"{noun} were not counted"
