"""Section ``data``: where the table comes from and what its columns mean."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.base.params.model import Name, Section, Slug, Unset


class CsvSource(Section):
    """One or more delimited text files, read in order; local or any address fsspec reads."""

    kind: Literal["csv"]
    paths: Annotated[list[Name], Field(min_length=1)]
    sha256: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = []
    """Expected SHA-256 of each unpacked file, in the order of `paths`; empty = not pinned."""
    watch: Name
    """Local file or folder whose change makes ``ingest`` run again (a dependency for DVC)."""
    snapshot: Unset[Name] = None
    """Free text; change it to read a source again that DVC cannot watch."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    comment: Unset[Annotated[str, Field(min_length=1, max_length=1)]] = None
    """Lines that start with this character are not data; null = none."""
    decimal: Annotated[str, Field(min_length=1, max_length=1)] = "."
    encoding: Name = "utf-8"
    columns: list[Name] = []
    """Names of the columns if the files have no header line; empty = first line is the header."""

    @model_validator(mode="after")
    def _one_hash_a_path(self) -> Self:
        if self.sha256 and len(self.sha256) != len(self.paths):
            raise ValueError(
                f"sha256 has {len(self.sha256)} entries for {len(self.paths)} paths; "
                "give one for each path, or none"
            )
        return self


class ParquetSource(Section):
    """One or more Parquet files, read in order; local or any address fsspec reads."""

    kind: Literal["parquet"]
    paths: Annotated[list[Name], Field(min_length=1)]
    watch: Name
    snapshot: Unset[Name] = None


class SqlSource(Section):
    """The result of one query on a database that SQLAlchemy reaches."""

    kind: Literal["sql"]
    url_env: Unset[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]] = None
    """Environment variable that holds the URL, so that no password stands in a file."""
    url: Unset[Name] = None
    """The URL itself, for databases without a password."""
    query: Name
    watch: Name
    snapshot: Unset[Name] = None

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        if bool(self.url) == bool(self.url_env):
            raise ValueError("give exactly one of url and url_env")
        return self


Source = Annotated[CsvSource | ParquetSource | SqlSource, Field(discriminator="kind")]


class Sensitive(Section):
    """A sensitive feature; numeric ones need `bins`, the inner edges of their age-like groups."""

    bins: list[float] = []

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for a, b in zip(self.bins, self.bins[1:], strict=False)):
            raise ValueError(f"bins must rise: {self.bins}")
        return self


class DataParams(Section):
    """The table: source, target, subject, sensitive features."""

    name: Slug
    source: Source
    replace: dict[str, dict[str, str]] = {}
    """Column → {value as it stands in the source: value to use}."""
    missing_marks: list[str] = []
    """Texts that mean "no value", beside empty fields."""
    target: Name
    positive: str | int | float | bool
    """The label that counts as 1; the other label is 0."""
    subject_key: str | None = None
    """Column that identifies a person; null = none, then equal rows count as one subject. Its
    values are keys: never typed, trimmed or replaced; only an empty cell is a missing key."""
    sensitive: dict[str, Sensitive] = {}
    intersections: list[Annotated[list[str], Field(min_length=2)]] = []
    """Combinations of sensitive features that are audited together."""
    ignore: list[str] = []
    """Columns that are never model inputs (identifiers, sampling weights)."""
    types: dict[str, Literal["numeric", "categorical"]] = {}
    """Column → type, where the inferred one is wrong."""

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        if self.target in self.sensitive:
            raise ValueError(f"target '{self.target}' cannot be a sensitive feature")
        if self.target in self.ignore:
            raise ValueError(f"target '{self.target}' cannot be ignored")
        self._key_is_only_a_key()
        for combination in self.intersections:
            unknown = [name for name in combination if name not in self.sensitive]
            if unknown:
                raise ValueError(
                    f"intersections names {unknown}; allowed are the keys of data.sensitive: "
                    f"{sorted(self.sensitive)}"
                )
        return self

    def _key_is_only_a_key(self) -> None:
        """Two different texts are two people: nothing may make one of them."""
        key = self.subject_key
        if key is None:
            return
        if key == self.target:
            raise ValueError(f"target '{key}' cannot be the subject's key as well")
        if self.types.get(key) == "numeric":
            raise ValueError(
                f"types calls the subject's key '{key}' numeric, but keys are never typed: "
                "'1' and '001' are two people; take it out"
            )
        if key in self.replace:
            raise ValueError(
                f"replace changes the subject's key '{key}', which would make one person of two; "
                "take it out, and merge people in the source"
            )
