"""``params.yaml`` as a typed model: the only way code reads a parameter."""

from pipelines.base.params.load import Params, load_params

__all__ = ["Params", "load_params"]
