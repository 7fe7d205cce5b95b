from tests.unit.scoring.conftest import built, project, release

__all__ = ["built", "project", "release"]
