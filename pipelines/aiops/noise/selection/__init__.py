"""Choosing: the smallest set of rules that saves the most pages and loses nothing."""

from pipelines.aiops.noise.selection.harm import Dropped
from pipelines.aiops.noise.selection.renew import renew
from pipelines.aiops.noise.selection.select import Point, Selection, select

__all__ = ["Dropped", "Point", "Selection", "renew", "select"]
