"""Settings of the metric detector: one default configuration for every series."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DetectorSettings:
    """Sizes in rows of a series; none depends on its unit, its scale, a clock or a calendar.

    Attributes
    ----------
    past : int
        Rows that a row is compared with: a week of minutes.
    window, decay : int, float
        Rows of a course, and the weight of each against the one after it.
    smooth : int
        Rows whose median a spike is measured from.
    hold : int
        Rows for which a spike, and the sum, count: what was odd a moment ago is the same event.
    level, before : int, int
        Rows of the new and of the old level.
    warm_up : int
        First rows of a series that teach; half as many more, and it is judged.
    young : int
        Rows at which a series' own scales count double; the doubt falls with the square of age.
    usual_share : float
        Quantile of a distance's own past that is its scale.
    spike_weight, level_weight : float
        Weights of spike and level beside the discord.
    gate : float
        Discord from which spike and level count in full.
    suspect : float
        Surprise from which a row is suspected, and an event may start; it ends below half of it.
    absorb : int
        Rows in a row that may be suspected; a change that lasts longer is the new normal.
    """

    past: int = 10_080
    window: int = 24
    decay: float = 0.85
    smooth: int = 5
    hold: int = 5
    level: int = 10
    before: int = 60
    warm_up: int = 48
    young: int = 128
    usual_share: float = 0.9
    spike_weight: float = 0.25
    level_weight: float = 0.25
    gate: float = 3.0
    suspect: float = 8.0
    absorb: int = 240

    @property
    def first_judged(self) -> int:
        """Row of a series from which it is judged."""
        return self.warm_up * 3 // 2


DEFAULTS = DetectorSettings()
