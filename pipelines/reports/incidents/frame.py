"""What the three pages have in common: whose data, which time, links to one another, the foot."""

from markupsafe import Markup

from pipelines.reports.blocks import Callout, Facts, code, join
from pipelines.reports.incidents import words
from pipelines.reports.incidents.inputs import Inputs
from pipelines.reports.incidents.places import ANOMALIES, INCIDENTS, MAP

SYNTHETIC = (
    "The telemetry of this report is simulated: Signalbox made it up so that the pipeline can be "
    "seen at work. Nothing here says anything about a real system."
)
_PAGES = ((INCIDENTS, "incidents"), (ANOMALIES, "anomalies"), (MAP, "service map"))


def left_out_of(n: int, noun: str, path: str) -> Callout:
    """Say how many are left out, and where they stand."""
    return Callout(
        "info",
        "Left out",
        join(f"{words.number_of(n, noun)} more; all of them stand in ", code(path), "."),
    )


def synthetic(inputs: Inputs) -> str:
    """Say in the kind of a page that its data is made up."""
    return " · synthetic data" if inputs.incidents.synthetic else ""


def notice_label(inputs: Inputs) -> str:
    """Label of `notice`."""
    return "Synthetic data" if inputs.incidents.synthetic else "About the data"


def notice(inputs: Inputs) -> str:
    """Say what a reader must know about the data."""
    said = [SYNTHETIC if inputs.incidents.synthetic else "", inputs.about.notice]
    return " ".join(part for part in said if part)


def facts(inputs: Inputs) -> Facts:
    """Say which time, whose, and where the sister pages are."""
    pages = Markup(" · ").join(
        Markup('<a href="{}">{}</a>').format(page, name) for page, name in _PAGES
    )
    window = inputs.window
    return Facts(
        [
            ("From", f"{window.start:%Y-%m-%d %H:%M} UTC"),
            ("To", f"{window.end:%Y-%m-%d %H:%M} UTC"),
            ("Owner", words.shown(inputs.about.owner)),
            ("Pages of this window", pages),
        ]
    )
