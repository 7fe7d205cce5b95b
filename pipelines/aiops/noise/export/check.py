"""Hold what was written against the programs that will read it, where they are installed."""

import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_TIMEOUT = 60
_LINES = 12


class Checked(BaseModel):
    """What a program said of a file.

    Attributes
    ----------
    outcome
        ``ok``, ``failed`` or ``not checked``.
    says
        Its last lines, or why it was not asked.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    program: str
    outcome: str
    says: str = ""


def check_config(path: Path) -> Checked:
    """Ask ``amtool check-config``."""
    return _ask(path, ["amtool", "check-config", path.name])


def check_rule_file(path: Path) -> Checked:
    """Ask ``promtool check rules``.

    Its lint is off: a rule that is split in two has two rules of one name, which it warns of.
    """
    return _ask(path, ["promtool", "check", "rules", "--lint=none", path.name])


def _ask(path: Path, command: list[str]) -> Checked:
    program = f"{' '.join(command[:-1])}"
    if shutil.which(command[0]) is None:
        return _said(path, program, "not checked", f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            command, cwd=path.parent, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return _said(path, program, "not checked", f"no answer within {_TIMEOUT} s")
    except OSError as error:
        return _said(path, program, "not checked", error.strerror or str(error))
    said = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines()]
    text = "\n".join([line for line in said if line][-_LINES:])
    return _said(path, program, "ok" if done.returncode == 0 else "failed", text)


def _said(path: Path, program: str, outcome: str, says: str) -> Checked:
    return Checked(file=path.name, program=program, outcome=outcome, says=says)
