"""Section ``compliance`` of ``release.yaml``: what no artifact can say."""

from pydantic import Field

from pipelines.base.params.model import Section


class ComplianceParams(Section):
    """Section ``compliance``; documents are paths in the project, and must be there to count."""

    sex: str = "sex"
    """Sensitive feature that holds sex, for Local Law 144 and the four-fifths rule."""
    race: str = "race"
    """Sensitive feature that holds race or ethnicity."""
    instructions: str = ""
    """Document: instructions for use (AI Act Art. 13, Annex IV 1(h))."""
    risks: str = ""
    """Document: known and foreseeable risks and what was done about them (Art. 9)."""
    representative: str = ""
    """Why the data represents the people the model will meet (Art. 10(3)); a sentence."""
    robustness: str = ""
    """Document: tests with disturbed or hostile input (Art. 15(4))."""
    cybersecurity: str = ""
    """Document: measures against attacks (Art. 15(5), Annex IV 2(h))."""
    post_market: str = ""
    """Document: post-market monitoring plan (Art. 72, Annex IV 9)."""
    declaration: str = ""
    """Document: EU declaration of conformity (Art. 47, Annex IV 8)."""
    standards: list[str] = Field(default_factory=list)
    """Harmonised standards or other specifications that were applied (Annex IV 7)."""
    contest: str = ""
    """How a person gets a human to look at a decision again (GDPR Art. 22(3)); a sentence."""
    auditor: str = ""
    """Independent auditor of Local Law 144; Signalbox can't be independent of its user."""
    test_data: str = ""
    """Why the audit uses test data and not historical data (6 RCNY 5-302(b)); a sentence."""
    published: str = ""
    """Where the summary of the bias audit is published (6 RCNY 5-303)."""
