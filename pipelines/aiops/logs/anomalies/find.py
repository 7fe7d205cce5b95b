"""Findings of a window, of all kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.findings import Finding, finding_id, in_order
from pipelines.aiops.logs.anomalies.bursts import Burst, bursts
from pipelines.aiops.logs.anomalies.chance import score_of
from pipelines.aiops.logs.anomalies.mix import MixShift, changed_mixes
from pipelines.aiops.logs.anomalies.novelty import New, new_templates, new_values
from pipelines.aiops.logs.anomalies.silences import Silence, silences
from pipelines.aiops.logs.counts import (
    DEFAULT,
    SEVERITIES,
    WORDS,
    LogAnomalySettings,
    Table,
    table_of,
)
from pipelines.aiops.logs.templates import TemplateStore
from pipelines.core.time import DAY_US, largest_parts

__all__ = ["LogAnomalySettings", "find"]

_TEXT = 160


def find(
    counts: pa.Table,
    values: pa.Table,
    store: TemplateStore,
    start_us: int,
    end_us: int,
    *,
    settings: LogAnomalySettings = DEFAULT,
) -> list[Finding]:
    """Find log anomalies in a window.

    Parameters
    ----------
    counts, values : pyarrow.Table
        By `COUNTS` and `VALUES`, of the window and the days before it.
    store : TemplateStore
        Templates as they are known at the window's end.
    start_us, end_us : int
        The window, microseconds since 1970, whole bins.
    settings : LogAnomalySettings

    Returns
    -------
    list of Finding
        Kinds ``new_template``, ``burst``, ``silence``, ``changed_mix``, ``new_value``; in order of
        time. Of each kind, and of new templates each class (trouble, warning, other), false
        findings are controlled over everything that the run looked at.
    """
    table = table_of(counts, store, start_us - settings.history_days * DAY_US, end_us)
    if not len(table.code):
        return []
    teller = _Teller(table, store)
    new, classes = new_templates(table, store, start_us, end_us)
    rare = [template for template in new if template.chance <= settings.new_fdr_limit]
    burst = [b for b in bursts(table, start_us, end_us, settings)
             if b.code not in {template.subject for template in new}]  # fmt: skip
    quiet = silences(table, start_us, end_us, settings)
    known = (
        {template.subject for template in new} | {b.code for b in burst} | {s.code for s in quiet}
    )
    mixes = changed_mixes(table, start_us, end_us, settings, known)
    fresh, slots, usual = new_values(values, store, start_us, end_us, settings)
    fresh = [template for template in fresh if template.chance <= settings.new_fdr_limit]
    parts: tuple[Iterable[Finding], ...] = (
        (teller.template(template, classes[template.subject]) for template in rare),
        map(teller.burst, burst),
        map(teller.silence, quiet),
        map(teller.mix, mixes),
        (
            teller.value(template, slots[template.subject], usual[template.subject])
            for template in fresh
        ),
    )
    return in_order(f for part in parts for f in _rarest(part, settings.max_findings))


def _rarest(findings: Iterable[Finding], most: int) -> list[Finding]:
    return sorted(findings, key=lambda f: (-f.score, f.start_us, f.id))[:most]


class _Teller:
    """Says findings in words."""

    def __init__(self, table: Table, store: TemplateStore) -> None:
        self.table, self.store = table, store

    def text(self, template: str) -> str:
        known = self.store.templates.get(template)
        text = known.text if known else template
        return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"

    def template(self, new: New, kind: str) -> Finding:
        service, template = self.table.series[new.subject]
        line = self.table.first_line[new.subject]
        severity = SEVERITIES[int(self.table.severity[new.subject])]
        words = sorted({word.lower() for word in WORDS.findall(line)})
        level = f" ({severity})" if severity else ""
        return self._finding(
            ("new_template", service, template), (new.first_us, new.last_us), new.chance,
            f"{_named(service)} wrote a message never seen before{level}, {_times(new.lines)}: "
            f"{self.text(template)}",
            (0.0, 0.0, float(new.lines)),
            evidence={"class": kind, "severity": severity, "words": words, "first_line": line,
             "lines": new.lines, "expected_new_in_window": new.expected},
        )  # fmt: skip

    def burst(self, burst: Burst) -> Finding:
        service, template = self.table.series[burst.code]
        severity = SEVERITIES[int(self.table.severity[burst.code])]
        return self._finding(
            ("burst", service, template), (burst.start_us, burst.end_us), burst.chance,
            f"{_named(service)} wrote {burst.lines} lines where about {burst.expected:.3g} were "
            f"expected (at most {burst.high:.0f}): {self.text(template)}",
            (0.0, burst.high, float(burst.lines)),
            evidence={"severity": severity, "expected": burst.expected,
             "first_line": self.table.first_line[burst.code]},
        )  # fmt: skip

    def silence(self, silence: Silence) -> Finding:
        service, template = self.table.series[silence.code]
        gap = silence.end_us - silence.start_us
        end = "still silent" if silence.open else "then back"
        return self._finding(
            ("silence", service, template), (silence.start_us, silence.end_us), silence.chance,
            f"{_named(service)} fell silent for {_span(gap)} ({end}) with a message that comes "
            f"every {_span(silence.usual_us)} and was never away for more than "
            f"{_span(silence.longest_us)}: {self.text(template)}",
            (0.0, silence.longest_us / 1e6, gap / 1e6),
            evidence={"open": silence.open, "baseline_gap_seconds": silence.usual_us / 1e6,
             "longest_gap_seconds": silence.longest_us / 1e6},
        )  # fmt: skip

    def mix(self, mix: MixShift) -> Finding:
        shifts: list[dict[str, Any]] = [
            {"template": self.table.series[code][1], "text": self.text(self.table.series[code][1]),
             "baseline_share": before, "share": share}
            for code, before, share in mix.moved
        ]  # fmt: skip
        first = shifts[0]
        return self._finding(
            ("changed_mix", mix.service, ""), (mix.start_us, mix.end_us), mix.chance,
            f"{_named(mix.service)} writes its messages in other proportions: "
            f"{100 * first['baseline_share']:.3g} % → {100 * first['share']:.3g} % "
            f"of lines are: {first['text']}",
            (0.0, mix.high, mix.distance),
            evidence={"lines": mix.lines, "baseline_distance": mix.usual, "shifts": shifts},
        )  # fmt: skip

    def value(self, new: New, slot: tuple[str, str, int], usual: list[str]) -> Finding:
        service, template, position = slot
        shown = ", ".join(usual[:5]) + ("…" if len(usual) > 5 else "")
        return self._finding(
            ("new_value", service, template), (new.first_us, new.last_us), new.chance,
            f"{_named(service)} has a new value {new.value!r}, {_times(new.lines)}, in a message "
            f"that had {len(usual)} ({shown}): {self.text(template)}",
            (0.0, 0.0, float(new.lines)),
            evidence={"slot": position, "value": new.value, "known": usual, "lines": new.lines,
             "expected_new_in_window": new.expected},
            more={"slot": str(position), "value": new.value},
        )  # fmt: skip

    def _finding(
        self,
        subject: tuple[str, str, str],
        extent: tuple[int, int],
        chance: float,
        sentence: str,
        band: tuple[float, float, float],
        *,
        evidence: dict[str, Any],
        more: dict[str, str] | None = None,
    ) -> Finding:
        """Make a finding of kind, service and template; begin and end; low, high and observed."""
        kind, service, template = subject
        start_us, end_us = extent
        labels = {"template": template, **(more or {})} if template else {}
        low, high, seen = band
        return Finding(
            finding_id("log", kind, {"service": service, **labels}, start_us), "log", kind, service,
            "", labels, start_us, max(end_us, start_us), score_of(chance), _one_line(sentence),
            low, high, seen, evidence,
        )  # fmt: skip


def _named(service: str) -> str:
    return service or "A service without name"


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _span(us: float) -> str:
    """Write a duration in its two largest units."""
    seconds = round(us / 1e6)
    if seconds < 120:
        return f"{us / 1e6:.3g} s"
    return " ".join(f"{count} {unit}" for count, unit in largest_parts(seconds))


def _one_line(text: str) -> str:
    return " ".join(text.split())
