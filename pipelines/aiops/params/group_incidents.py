"""Section ``aiops.group_incidents`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.base.params.model import PositiveInt, Section

Minutes = Annotated[int, Field(ge=0, le=7 * 24 * 60)]


class PostParams(Section):
    """Where incidents are sent on.

    Attributes
    ----------
    urls
        Addresses; one that ends in ``/api/v2/alerts`` gets Alertmanager's alerts, others JSON.
    allowed
        Addresses that may be named above: a second pair of eyes for a line of params.
    dry_run
        Say what would be sent, and send nothing.
    """

    urls: list[str] = []
    allowed: list[str] = []
    dry_run: bool = True


class GroupIncidentsParams(Section):
    """Settings of ``group_incidents``.

    Attributes
    ----------
    same_minutes, near_minutes, anywhere_minutes
        How far apart linked findings may start: at the same service, at services of which one calls
        the other, at any services if no map is known.
    longest_minutes
        A chain of links is cut after so long.
    usual_days, usual_share
        An alert that a service had on more than this share of so many days before is usual: it
        joins an incident that something else makes, and makes none. 1: no alert is usual.
    signals
        Whether causes are ranked from metrics, logs and spans too, or from findings alone.
    """

    same_minutes: Minutes = 30
    near_minutes: Minutes = 10
    anywhere_minutes: Minutes = 1
    longest_minutes: PositiveInt = 240
    usual_days: Annotated[int, Field(ge=1, le=366)] = 14
    usual_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    signals: bool = True
    post: PostParams = Field(default_factory=PostParams)
