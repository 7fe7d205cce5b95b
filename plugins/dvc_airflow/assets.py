"""Outputs of stages as Airflow assets."""

from __future__ import annotations

from urllib.parse import quote

from airflow.sdk import Asset

from dvc_airflow.graph import Out


def asset_uri(project: str, path: str) -> str:
    """``dvc://<project>/<path>``: the same on every machine and for every run.

    Examples
    --------
    >>> asset_uri("shop", "models/churn.skops")
    'dvc://shop/models/churn.skops'
    """
    return f"dvc://{quote(project, safe='')}/{quote(path)}"


def asset_of(project: str, out: Out) -> Asset:
    """Return the asset of an output."""
    return Asset(
        name=f"{project}/{out.path}",
        uri=asset_uri(project, out.path),
        extra={"path": out.path, "kind": out.kind},
    )
