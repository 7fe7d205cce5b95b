"""Wheels of this project, built and installed without an index."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install_alone(parts: Iterable[str], source: str, directory: Path) -> Path:
    """Build the wheel of a part of the project, install it with nothing else; return where to.

    Parameters
    ----------
    parts
        Files and directories of the project that building may read. They are copied, because
        building writes beside its source.
    source
        The directory that holds ``pyproject.toml``, below the project's root.
    directory
        An empty directory.
    """
    for part in parts:
        copy = directory / "source" / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
            shutil.copytree(ROOT / part, copy, ignore=left_out)
        else:
            shutil.copy(ROOT / part, copy)
    _pip(
        "wheel", "--no-index", "--no-deps", "--no-build-isolation",
        "--wheel-dir", directory / "wheels", directory / "source" / source,
    )  # fmt: skip
    (wheel,) = (directory / "wheels").iterdir()
    target = directory / "target"
    _pip("install", "--no-index", "--no-deps", "--target", target, wheel)
    return target


def _pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
