from pipelines.cli.main import COMMANDS
from tests.conftest import ROOT


def test_every_file_of_commands_is_registered() -> None:
    files = {path.stem for path in (ROOT / "pipelines/cli").glob("*_commands.py")}
    assert {module.rsplit(".", 1)[1] for _, module, _ in COMMANDS} == files
