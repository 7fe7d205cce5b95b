from tests.unit.mlops.scoring.conftest import built, project, release

__all__ = ["built", "project", "release"]
