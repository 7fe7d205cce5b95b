"""What ``init`` finds out from a table, guess by guess, and what it asks instead of guessing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.project.columns import Table, inspect_table, sensitive_kind, source_section
from pipelines.project.forms import Said, csv_form, kind_of, words_of

ROWS = 300


def people(rows: int = ROWS) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    return pd.DataFrame({
        "customer_id": [f"C{i:05d}" for i in range(rows)],
        "gender": draw.choice(["Male", "Female"], rows),
        "age": draw.integers(18, 80, rows),
        "charge": draw.normal(60, 20, rows).round(2),
        "plan": draw.choice(["basic", "pro", "max"], rows),
        "churned": draw.choice([0, 1], rows),
    })  # fmt: skip


def found(frame: pd.DataFrame, folder: Path, said: Said | None = None) -> Table:
    path = folder / "table.parquet"
    frame.to_parquet(path)
    source = source_section("parquet", [str(path)], str(path), {})
    return inspect_table("table", source, said or Said(target="churned"))


def text_file(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "x", "y"], *[[str(i), str(i * 2), "a b"] for i in range(20)]]
    path = text_file(tmp_path, "\n".join(delimiter.join(row) for row in rows))
    assert csv_form(path, Said())[0]["delimiter"] == delimiter


def test_one_column_asks_for_the_delimiter(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="--delimiter"):
        csv_form(text_file(tmp_path, "a\n1\n2\n"), Said())


def test_two_delimiters_that_fit_equally_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="--delimiter"):
        csv_form(text_file(tmp_path, "a,b;c\n" + "1,2;3\n" * 5), Said())


def test_decimal_commas_are_found(tmp_path: Path) -> None:
    form, _ = csv_form(text_file(tmp_path, "a;b\n" + "1,5;x\n2,25;y\n" * 9), Said())
    assert form["decimal"] == ","
    assert "thousands" not in form


def test_points_between_thousands_are_found_beside_decimal_commas(tmp_path: Path) -> None:
    form, _ = csv_form(text_file(tmp_path, "a;b\n" + "1.234,5;x\n2,25;y\n" * 9), Said())
    assert (form["decimal"], form["thousands"]) == (",", ".")


def test_what_may_be_a_thousand_or_a_fraction_is_asked_about(tmp_path: Path) -> None:
    path = text_file(tmp_path, "a;b\n" + "1,234;x\n2,345;y\n" * 9)
    with pytest.raises(SignalboxError, match="--decimal"):
        csv_form(path, Said())
    assert csv_form(path, Said(decimal=","))[0]["decimal"] == ","


def test_letters_of_western_europe_are_read(tmp_path: Path) -> None:
    form, _ = csv_form(text_file(tmp_path, "größe;x\nklein;1\ngroß;2\n", "latin-1"), Said())
    assert form["encoding"] == "latin-1"


def test_a_wrong_encoding_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="--encoding"):
        csv_form(text_file(tmp_path, "größe;x\nklein;1\n", "latin-1"), Said(encoding="utf-8"))


def test_a_file_without_a_header_line_asks_for_names(tmp_path: Path) -> None:
    path = text_file(tmp_path, "\n".join(f"{i},{i % 2},red" for i in range(30)))
    with pytest.raises(SignalboxError, match="--columns"):
        csv_form(path, Said())
    assert csv_form(path, Said(columns=("a", "b", "c")))[0]["columns"] == ["a", "b", "c"]


def test_a_spreadsheet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(SignalboxError, match="spreadsheet"):
        kind_of(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("customerID", ["customer", "id"]), ("Größe_cm", ["grosse", "cm"]), ("n. 3", ["n", "3"])],
)
def test_names_are_taken_apart(name: str, words: list[str]) -> None:
    assert words_of(name) == words


@given(st.text())
def test_any_name_has_words(name: str) -> None:
    assert words_of(name)
    assert all(word == word.lower() for word in words_of(name))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Geschlecht", "sex"), ("AGE", "age"), ("age_group", "age"), ("Konfession", "religion"),
     ("maritalStatus", "marital status"), ("nationalité", "nationality"), ("edad", "age")],
)  # fmt: skip
def test_names_tell_of_what_is_protected(name: str, kind: str) -> None:
    assert sensitive_kind(name, pd.Series([1.0, 2.0])) == kind


@pytest.mark.parametrize("name", ["page", "average", "usage", "message", "trace", "terrace"])
def test_names_that_only_sound_alike_tell_nothing(name: str) -> None:
    assert sensitive_kind(name, pd.Series([1.0, 2.0])) is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [(["m", "w"], "sex"), (["Mann", "Frau", "divers"], "sex"), (["homme", "femme"], "sex"),
     (["White", "Black", "Other"], "race"), (["katholisch", "evangelisch"], "religion"),
     (["red", "green"], None), (["m", "l", "xl"], None)],
)  # fmt: skip
def test_values_tell_of_what_is_protected(values: list[str], kind: str | None) -> None:
    assert sensitive_kind("x1", pd.Series(values, dtype="str")) == kind


def test_a_table_is_understood(tmp_path: Path) -> None:
    table = found(people(), tmp_path)
    assert table.data["positive"] == "1"
    assert table.data["subject_key"] == "customer_id"
    assert table.sensitive == {"gender": "sex", "age": "age"}
    assert "sensitive" not in table.data
    assert table.ignored == {}


def test_without_a_target_columns_of_two_values_are_named(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"--target: .*gender, churned"):
        found(people(), tmp_path, Said())


def test_a_misspelt_target_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="did you mean 'churned'"):
        found(people(), tmp_path, Said(target="churn"))


def test_three_labels_ask_which_one_counts(tmp_path: Path) -> None:
    frame = people().assign(churned=np.resize(["left", "stayed", "paused"], ROWS))
    with pytest.raises(SignalboxError, match=r"--positive"):
        found(frame, tmp_path)
    table = found(frame, tmp_path, Said(target="churned", positive="left"))
    assert set(table.frame["churned"]) == {"left", "not left"}


def test_two_labels_of_which_none_reads_like_a_yes_are_asked_about(tmp_path: Path) -> None:
    frame = people().assign(churned=np.resize(["good", "bad"], ROWS))
    with pytest.raises(SignalboxError, match=r"--positive.*'bad'|'bad'.*--positive"):
        found(frame, tmp_path)


@pytest.mark.parametrize(
    ("labels", "positive"),
    [(["ja", "nein"], "ja"), (["Y", "N"], "Y"), (["no churn", "churn"], "churn"),
     ([True, False], "True"), ([-1, 1], "1")],
)  # fmt: skip
def test_labels_that_read_like_a_yes_are_positive(
    tmp_path: Path, labels: list[object], positive: str
) -> None:
    frame = people()
    frame["churned"] = pd.Series([labels[i % 2] for i in range(ROWS)])
    assert found(frame, tmp_path).data["positive"] == positive


def test_without_a_key_equal_rows_are_one_subject(tmp_path: Path) -> None:
    frame = people().drop(columns="customer_id")
    table = found(pd.concat([frame, frame.head(10)]), tmp_path)
    assert table.data["subject_key"] is None
    assert "10 rows repeat another" in " ".join(guess.why for guess in table.guesses)


def test_a_key_of_people_goes_before_one_of_rows(tmp_path: Path) -> None:
    frame = people()
    frame["customer_id"] = [f"C{i // 3:04d}" for i in range(ROWS)]
    frame["order_id"] = range(10_000, 10_000 + ROWS)
    table = found(frame, tmp_path)
    assert table.data["subject_key"] == "customer_id"
    assert "order_id" in table.ignored


def test_dates_constants_and_contacts_are_no_inputs(tmp_path: Path) -> None:
    frame = people().assign(
        signed=pd.date_range("2024-01-01", periods=ROWS), country="DE",
        email=[f"p{i % 9}@x.org" for i in range(ROWS)], empty=pd.Series([None] * ROWS, dtype="str"),
    )  # fmt: skip
    assert set(found(frame, tmp_path).ignored) == {"signed", "country", "email", "empty"}


def test_marks_of_missing_values_are_found(tmp_path: Path) -> None:
    draw = [str(i) if i % 3 else "NA" for i in range(ROWS)]
    frame = people().assign(visits=draw, colour=np.resize(["red", "?", "NA"], ROWS))
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    source = source_section("csv", [str(path)], str(path), {"delimiter": ","})
    table = inspect_table("table", source, Said(target="churned"))
    assert set(table.data["missing_marks"]) == {"NA", "?"}
    assert table.frame["visits"].dtype.kind == "f"


def test_none_is_no_mark_where_it_may_be_a_category(tmp_path: Path) -> None:
    frame = people().assign(parking=np.resize(["garage", "none", "street"], ROWS))
    assert "missing_marks" not in found(frame, tmp_path).data


def test_a_number_far_from_all_others_is_asked_about(tmp_path: Path) -> None:
    frame = people().assign(score=np.resize([1, 2, 3, -999], ROWS))
    asked = [guess for guess in found(frame, tmp_path).guesses if guess.value == "-999?"]
    assert [guess.asks for guess in asked] == [True]


def test_a_column_that_decides_the_target_is_asked_about(tmp_path: Path) -> None:
    frame = people()
    frame["exit_fee"] = np.where(frame["churned"] == 1, 20.5, None).astype(float)
    table = found(frame, tmp_path)
    assert set(table.suspects) == {"exit_fee"}
    assert "after_outcome" not in table.data


def test_a_name_can_give_away_that_a_column_comes_after_the_outcome(tmp_path: Path) -> None:
    frame = people().assign(churned_reason=np.resize(["price", "service", "other"], ROWS))
    assert "churned_reason" in found(frame, tmp_path).suspects


def test_lists_are_no_inputs(tmp_path: Path) -> None:
    frame = people().assign(tags=[["a", "b"]] * ROWS)
    assert "no model reads" in found(frame, tmp_path).ignored["tags"]
