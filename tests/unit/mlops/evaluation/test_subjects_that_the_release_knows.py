import pandas as pd

from pipelines.mlops.evaluation.champion import count_seen


def table(keys: list[str], name: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"subject_id": keys, "person": name, "size": range(len(keys))})


def test_people_are_counted_by_the_exact_key() -> None:
    train = table(["1", "00002"], ["1", "00002"])
    assert count_seen(train, table(["00001", "00002"], ["00001", "00002"])) == (1, "")


def test_a_release_that_took_keys_for_numbers_cannot_say() -> None:
    seen, why = count_seen(table(["1", "2"], [1, 2]), table(["00001", "3"], ["00001", "3"]))
    assert seen is None
    assert "numbers for keys ('person')" in why
