"""What a decision means to the person it is made about: which rates are good, which errors harm.

A model decides *positive* or *negative*. Where the positive label is the good outcome (a job, a
loan) the decision is **assistive**: it selects. Where it is the bad one (reoffending, default,
fraud) the decision is **punitive**: it flags. Rates, ratios and words follow from that:

============================  =============================  ==============================
of a group                    assistive                      punitive
============================  =============================  ==============================
favourable rate               selection rate                 1 - selection rate (not flagged)
equal opportunity             true positive rate             true negative rate
error that harms the person   false negative, false omission  false positive, false discovery
============================  =============================  ==============================

The choice of harmful errors is that of Aequitas' fairness tree (Saleiro et al. 2018,
arXiv:1811.05577): punitive decisions are judged by the false positive rate if they touch a large
part of the people, by the false discovery rate if they touch a small part; assistive ones by the
false negative and the false omission rate. Both are computed, the policy chooses.

Exchanging the labels and keeping the favourable one gives the same favourable rate, impact ratio,
equal opportunity, harmful errors, accuracy and equalised-odds difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["difference", "ratio"]


@dataclass(frozen=True)
class Orientation:
    """How decisions are read.

    Attributes
    ----------
    kind : {"assistive", "punitive"}
        Whether the positive decision is good or bad for the person.
    favourable_rate : str
        Rate of the favourable decision; a key of ``RATES``.
    notions : mapping of str to str
        Notion of parity -> the rate that should be equal between groups.
    odds : tuple of str, length 2
        The notions that equalised odds are made of.
    harmful_rates : tuple of str, length 2
        Rates of the errors that harm the person, by truth and by decision.
    figures : mapping of str to str
        Worst-of-groups figure -> the disparity it is the worst of. A ratio is worst when smallest.
    """

    kind: Literal["assistive", "punitive"]
    favourable_rate: str
    notions: Mapping[str, str]
    odds: tuple[str, str]
    harmful_rates: tuple[str, str]
    figures: Mapping[str, str]


_FIGURES: Final = {
    "worst_impact_ratio": "demographic_parity_ratio",
    "largest_selection_rate_difference": "demographic_parity_difference",
    "largest_tpr_difference": "equal_opportunity_difference",
    "largest_fpr_difference": "false_positive_rate_difference",
    "largest_equalized_odds_difference": "equalized_odds_difference",
    "largest_precision_difference": "predictive_parity_difference",
    "largest_accuracy_difference": "accuracy_difference",
}

ASSISTIVE: Final = Orientation(
    kind="assistive",
    favourable_rate="selection_rate",
    notions=MappingProxyType(
        {
            "demographic_parity": "selection_rate",
            "equal_opportunity": "tpr",
            "false_positive_rate": "fpr",
            "predictive_parity": "precision",
            "accuracy": "accuracy",
            "false_negative_rate": "fnr",
            "false_omission_rate": "for",
        }
    ),
    odds=("equal_opportunity", "false_positive_rate"),
    harmful_rates=("fnr", "for"),
    figures=MappingProxyType(
        {
            **_FIGURES,
            "largest_fnr_difference": "false_negative_rate_difference",
            "worst_fnr_ratio": "false_negative_rate_ratio",
            "largest_for_difference": "false_omission_rate_difference",
            "worst_for_ratio": "false_omission_rate_ratio",
        }
    ),
)
"""The positive decision is the favourable one: it selects."""

PUNITIVE: Final = Orientation(
    kind="punitive",
    favourable_rate="nonselection_rate",
    notions=MappingProxyType(
        {
            "demographic_parity": "nonselection_rate",
            "equal_opportunity": "tnr",
            "true_positive_rate": "tpr",
            "false_negative_rate": "fnr",
            "predictive_parity": "precision",
            "accuracy": "accuracy",
            "false_positive_rate": "fpr",
            "false_discovery_rate": "fdr",
            "flag_rate": "selection_rate",
        }
    ),
    odds=("equal_opportunity", "false_negative_rate"),
    harmful_rates=("fpr", "fdr"),
    figures=MappingProxyType(
        {
            **_FIGURES,
            "largest_tpr_difference": "true_positive_rate_difference",
            "worst_fpr_ratio": "false_positive_rate_ratio",
            "largest_fdr_difference": "false_discovery_rate_difference",
            "worst_fdr_ratio": "false_discovery_rate_ratio",
            "worst_flag_rate_ratio": "flag_rate_ratio",
        }
    ),
)
"""The positive decision is the unfavourable one: it flags."""


def orientation(*, favourable_is_positive: bool) -> Orientation:
    """Return how decisions are read.

    Parameters
    ----------
    favourable_is_positive : bool
        Whether the model's positive label is the good outcome for the person.

    Returns
    -------
    Orientation
    """
    return ASSISTIVE if favourable_is_positive else PUNITIVE


NEED_NO_LABELS: Final = frozenset({"selection_rate", "nonselection_rate"})
"""Rates that are known as soon as decisions are."""


def needs_labels(how: Orientation, figure: str) -> bool:
    """Return whether a figure can be computed only where the truth is known.

    Parameters
    ----------
    how : Orientation
        How decisions are read.
    figure : str
        A key of ``how.figures``.

    Returns
    -------
    bool
    """
    notion = how.figures[figure].rsplit("_", 1)[0]
    return how.notions.get(notion, "") not in NEED_NO_LABELS
