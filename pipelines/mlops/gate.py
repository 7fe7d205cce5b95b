"""Stage ``gate``: hold the evidence of a model against the release policy."""

from pipelines.core.params import Params
from pipelines.core.stage import run_stage
from pipelines.release.gating import MODEL_STAGES, STAGE, run_gate


def main(params: Params) -> None:
    """Judge the model."""
    run_gate(STAGE, params.gate.checks, MODEL_STAGES)


if __name__ == "__main__":
    run_stage(STAGE, main)
