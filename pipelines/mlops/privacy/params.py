"""Section ``privacy`` of ``release.yaml``: what only the controller can say."""

from typing import Annotated, Literal

from pydantic import Field

from pipelines.base.params.model import Section

Days = Annotated[int, Field(ge=1)]
Store = Literal[
    "source", "tables", "quarantine", "predictions", "models", "evidence", "runs", "cache"
]
LegalBasis = Literal[
    "", "consent", "contract", "legal obligation", "vital interests", "public task",
    "legitimate interests",
]  # fmt: skip


class PrivacyParams(Section):
    """Section ``privacy``; what isn't given stands in red in the record of processing."""

    controller: str = ""
    """Name and address of the controller (GDPR Art. 4(7), 30(1)(a))."""
    contact: str = ""
    """How to reach the controller and its data protection officer."""
    legal_basis: LegalBasis = ""
    """Article 6(1)(a) to (f), in that order."""
    special_basis: str = ""
    """Which point of Article 9(2) allows special categories; needed if any are named."""
    data_subjects: str = ""
    """Categories of people in the data."""
    special_categories: list[str] | None = None
    """Columns that hold special categories of personal data (Article 9); [] = none; null = not
    stated yet."""
    recipients: list[str] | None = None
    """Categories of recipients; [] = nobody; null = not stated yet."""
    transfers: list[str] | None = None
    """Third countries and safeguards; [] = none; null = not stated yet."""
    security: list[str] = Field(default_factory=list)
    """Technical and organisational measures beside those that Signalbox itself shows."""
    retention_days: dict[Store, Days] = Field(default_factory=dict)
    """Store → days its files may be kept."""
    models_days: Days = 30
    """Days after an erasure within which models that learned from the subject are replaced."""
