"""Whether a commit was made from the bundled demo's data, which no person needs to approve."""

import json
from pathlib import Path

from pipelines.base.errors import SignalboxError
from pipelines.release.releasing.files import CommitFiles

DEMO_DATA: dict[str, tuple[str, frozenset[str]]] = {
    "model_release": (
        "evidence/ingest.json",
        frozenset(
            {
                "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
            }
        ),
    ),
    "alert_noise_reduction": (
        "evidence/alert_history.json",
        frozenset({"681b2eb35a5fed21b08c6c88eafb2cee325db9ae951073f56e4817fa5cd7fdbd"}),
    ),
}
"""Product → the evidence that names its data, and the SHA-256 of the bundled demo's.

The sample of UCI Adult, unpacked, and the alert history of the simulated world as ``params.yaml``
comes with the repository. A test holds them equal to what the pipeline makes.
"""

_RULES = "expectations/"


def is_demo_data(project: Path, product: str, commit: str) -> bool:
    """Whether a commit's evidence names the bundled demo's data and no other.

    Raises
    ------
    SignalboxError
        If the evidence cannot be read or was changed after its stage made it.
    """
    if product not in DEMO_DATA:
        return False
    path, known = DEMO_DATA[product]
    inputs = read_inputs(CommitFiles(project, commit), path)
    return bool(inputs) and inputs == known


def read_inputs(files: CommitFiles, path: str) -> frozenset[str]:
    """SHA-256 of the data that an evidence file names as its inputs."""
    try:
        inputs = json.loads(files.read(path)).get("inputs", {})
    except (ValueError, AttributeError) as error:
        raise SignalboxError(
            f"{path} of commit {files.commit[:12]}: not an evidence file"
        ) from error
    return frozenset(sha for name, sha in inputs.items() if not name.startswith(_RULES))
