"""Personal data and secrets are masked before a line is stored, shown or mined."""

from pipelines.aiops.logs.masking.masking import Masked, mask
from pipelines.aiops.logs.masking.patterns import DEFAULT_KINDS, KINDS

__all__ = ["DEFAULT_KINDS", "KINDS", "Masked", "mask"]
