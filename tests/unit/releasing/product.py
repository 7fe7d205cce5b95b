"""Where scripts that were written for older code look for the helpers of released projects."""

from tests.unit.release.lifecycle.product import commit, make_project, make_run

__all__ = ["commit", "make_project", "make_run"]
