"""Settings of the family quiet, part of ``aiops.mine_rules`` in ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.base.params.model import OpenShare, PositiveInt, Section


class QuietMining(Section):
    """Nobody ever acts on it."""

    max_acted_share: OpenShare = 0.2
    """Upper bound on the share of separate stretches in which somebody acts on it."""
    max_silence_hours: Annotated[int, Field(ge=0)] = 0
    """What was ever silent for longer isn't routine; 0: `min_days` and `min_episodes` are enough.
    For short histories, in which separate days are few."""
    guard_window_seconds: PositiveInt = 3600
    """Sliding window in which the guard counts."""
    guard_alpha: OpenShare = 0.05
    """Chance that any guard trips in as much time as the history had, if nothing changes."""
    lasting_quantile: OpenShare = 0.995
    """Nearly all that nobody acted on were over after this quantile of their lengths …"""
    lasting_factor: Annotated[float, Field(ge=0)] = 1.5
    """… and one that lasts so many times longer pages; 0: it never pages for its length."""
    rare_window_seconds: Annotated[int, Field(ge=0)] = 0
    """What came too seldom to be routine pages once in so long a time; 0: no rule for it."""
