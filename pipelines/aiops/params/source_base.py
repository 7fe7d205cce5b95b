"""What sources of telemetry share in ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.base.params.model import Name, PositiveInt, Section, Slug

Seconds = Annotated[int, Field(ge=0)]
Variable = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]


class SourceParams(Section):
    """What every source has."""

    name: Slug
    """Stands in column ``source``; part of each alert's identity, so don't rename a source."""
    skew_seconds: Seconds = 300
    """A record that begins later than the reading by more than this goes to quarantine."""
    late_seconds: Seconds = 86400
    """A window also takes what changed this long before it: records may arrive late."""


class HttpParams(SourceParams):
    """A source that is asked over HTTP."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    token_env: Variable = ""
    """Environment variable with a bearer token; empty = none."""
    timeout_seconds: PositiveInt = 30


class FilesParams(SourceParams):
    """A source that is read from files."""

    files: Annotated[list[Name], Field(min_length=1)]
    """Files, or patterns like ``exports/*.jsonl``; relative to the project."""
