"""``params.yaml`` as a typed model: the only way code reads a parameter."""

from pipelines.base.params.load import Params, load_params, load_section

__all__ = ["Params", "load_params", "load_section"]
