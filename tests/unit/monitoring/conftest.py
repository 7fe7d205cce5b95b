from tests.unit.scoring.conftest import project, release

__all__ = ["project", "release"]
