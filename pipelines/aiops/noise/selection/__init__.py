"""Choosing: the smallest set of rules that saves the most pages and loses nothing."""

from pipelines.aiops.noise.selection.select import Dropped, Point, Selection, select

__all__ = ["Dropped", "Point", "Selection", "select"]
