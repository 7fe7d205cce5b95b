"""Settings of the metric detector: one default configuration for every series."""

from __future__ import annotations

from dataclasses import dataclass

SEASONS_DAYS = (1, 7)
"""Seasons that are looked for, days."""


@dataclass(frozen=True)
class DetectorSettings:
    """Sizes in points unless said otherwise; none depends on the unit or scale of a series.

    Attributes
    ----------
    reference : int
        Points whose median is the level that a value is compared with.
    smooth : int
        Points of the short mean, and lag of the change: what "sudden" means.
    warm_up : int
        First points of a series that set the level; half as many more teach what is usual, and
        only then it is judged.
    history, segments : int
        Points that rareness is judged by, in this many pieces; the oldest piece is dropped.
    tail_share, tail_least, tail_most : float, int, int
        Share, least and largest number of past extremes that the tail is fitted to.
    refresh : int
        Most points between two updates of level and tails.
    alarm : float
        Surprise (see `Scores`) from which a point starts an event.
    quiet_share, quiet_least : float, int
        After an alarm none for this share of the points seen so far, and at least so many; at most
        a day.
    """

    reference: int = 1000
    smooth: int = 12
    warm_up: int = 96
    history: int = 8192
    segments: int = 8
    tail_share: float = 0.02
    tail_least: int = 30
    tail_most: int = 128
    refresh: int = 256
    alarm: float = 10.0
    quiet_share: float = 0.04
    quiet_least: int = 16


DEFAULTS = DetectorSettings()
