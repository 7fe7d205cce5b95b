"""Group labels: bands, missing values, values that mean unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.mlops.fairness import UNKNOWN, FeatureSpec, dimensions, encode_groups
from pipelines.mlops.fairness.groups import band_labels


def labels(values: object, **spec: object) -> list[str]:
    coded = encode_groups(
        pd.DataFrame({"x": values}), (FeatureSpec.model_validate({"name": "x"} | spec),)
    )
    return [coded.features[0].levels[code] for code in coded.codes[0]]


def test_ages_fall_into_bands_that_hold_their_lower_edge() -> None:
    bands = ["<25", "25\u201344", "45\u201364", "65+"]
    assert list(band_labels((25, 45, 65))) == bands
    found = labels([24, 25, 44, 45, 64, 65, 99], edges=(25, 45, 65))
    assert found == [bands[i] for i in (0, 1, 1, 2, 2, 3, 3)]


def test_broken_edges_are_named_as_intervals() -> None:
    assert band_labels((0.5, 1.5)) == ("<0.5", "0.5\u2013<1.5", "1.5+")


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_missing_values_are_kept_as_unknown_whatever_the_dtype(dtype: str) -> None:
    values = pd.Series(["b", None, "a", " ? ", ""], dtype=dtype)
    assert labels(values, unknown_values=("?",)) == ["b", UNKNOWN, "a", UNKNOWN, UNKNOWN]


def test_missing_ages_are_kept_as_unknown() -> None:
    assert labels([np.nan, 30.0], edges=(25,))[0] == UNKNOWN
    assert labels(["?", "30"], edges=(25,), unknown_values=("?",)) == [UNKNOWN, "25+"]


def test_one_missing_value_does_not_rename_the_others() -> None:
    assert labels([1, 2]) == ["1", "2"]
    assert labels([1, 2, None]) == ["1", "2", UNKNOWN]


def test_levels_are_in_natural_order_with_unknown_last() -> None:
    coded = encode_groups(
        pd.DataFrame({"x": ["b", "10", None, "9", "a"]}), (FeatureSpec(name="x"),)
    )
    assert coded.features[0].levels == ("9", "10", "a", "b", UNKNOWN)


def test_words_in_a_numeric_column_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 values that are not numbers, such as 'old'"):
        labels(["30", "old"], edges=(25,))


def test_wrong_requests_are_errors() -> None:
    with pytest.raises(ValueError, match="not in the data: race"):
        encode_groups(pd.DataFrame({"sex": ["m"]}), (FeatureSpec(name="race"),))
    with pytest.raises(ValueError, match="strictly increasing"):
        FeatureSpec(name="age", edges=(45, 25))
    with pytest.raises(ValueError, match="not audited"):
        dimensions(("sex",), (("sex", "race"),))
    with pytest.raises(ValueError, match="two or more distinct"):
        dimensions(("sex",), (("sex", "sex"),))
