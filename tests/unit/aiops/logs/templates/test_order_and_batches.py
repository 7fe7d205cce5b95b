"""The same lines give the same groups, in any order, any number of times, in any batches."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.logs.templates import Mined, TemplateStore, mine
from pipelines.aiops.logs.templates.variables import VARIABLE, coarse, key_of
from pipelines.aiops.logs.templates.words import DEFAULT_EVIDENCE, Evidence, generalise, tokens_of
from pipelines.core.errors import SignalboxError

WORDS = """
user alice bob carol dave erin for closed opened session from GET PUT is the 7 10.0.0.1
x=1 y=on /a/b 0x1f a.b.c node-[1-3] () (b) 'k' , : Mon Jan true 5 MB - # =
"""
words = st.sampled_from(WORDS.split())
messages = st.lists(words, max_size=9).map(" ".join)
junk = st.text(st.characters(codec="utf-8"), max_size=20)
logs = st.lists(messages | junk, min_size=1, max_size=40)


def groups(lines: Sequence[str], names: Sequence[str]) -> set[frozenset[str]]:
    members: dict[str, set[str]] = {}
    for line, name in zip(lines, names, strict=True):
        members.setdefault(name, set()).add(line)
    return {frozenset(group) for group in members.values()}


@settings(deadline=None, max_examples=60)
@given(logs, st.randoms(use_true_random=False))
def test_order_does_not_matter(lines: list[str], chance: random.Random) -> None:
    shuffled = lines[:]
    chance.shuffle(shuffled)
    one, other = mine(lines), mine(shuffled)
    assert dict(zip(lines, one.ids, strict=True)) == dict(zip(shuffled, other.ids, strict=True))
    assert one.templates == other.templates
    assert one.store == other.store


@settings(deadline=None, max_examples=60)
@given(logs)
def test_repetition_does_not_matter(lines: list[str]) -> None:
    assert mine(lines * 3).ids[: len(lines)] == mine(lines).ids


@settings(deadline=None, max_examples=60)
@given(logs)
def test_mining_again_finds_what_is_known(lines: list[str]) -> None:
    first = mine(lines)
    again = mine(lines, first.store)
    assert again.ids == first.ids
    assert again.store.keys == first.store.keys
    assert set(again.store.templates) == set(first.store.templates)


@settings(deadline=None, max_examples=60)
@given(logs, logs)
def test_two_batches_end_like_one(early: list[str], late: list[str]) -> None:
    first = mine(early)
    second = mine(late, first.store)
    names = [second.store.current(name) for name in first.ids] + second.ids
    assert groups(early + late, names) == groups(early + late, mine(early + late).ids)


@settings(deadline=None, max_examples=60)
@given(logs, logs)
def test_an_id_once_given_leads_to_its_lines_for_ever(early: list[str], late: list[str]) -> None:
    first = mine(early)
    second = mine(late, first.store)
    assert mine(early, second.store).ids == [second.store.current(name) for name in first.ids]
    assert sum(t.count for t in second.store.templates.values()) == len(early) + len(late)


@settings(deadline=None, max_examples=60)
@given(logs)
def test_every_line_reads_back_through_its_template(lines: list[str]) -> None:
    mined = mine(lines)
    for template in mined.templates:
        values = mined.variables(template.id)
        assert len(values) == template.key.count(VARIABLE) == len(template.kinds)
        for at, row in enumerate(mined.rows(template.id)):
            text = template.key
            for column in values:
                text = text.replace(VARIABLE, column[at].replace(VARIABLE, " "), 1)
            assert squeezed(text) == squeezed(lines[row].split("\n")[0])


def squeezed(text: str) -> str:
    return "".join(char for char in text if not char.isspace() and char > " " and char != "\x7f")


@settings(deadline=None, max_examples=60)
@given(messages | junk)
def test_a_key_of_a_key_is_itself_in_tokens(line: str) -> None:
    key = key_of(line)
    assert "".join(tokens_of(key)) == key


def test_a_template_keeps_its_id_when_it_generalises() -> None:
    first = mine(["session closed on eth1 today"])
    (before,) = first.templates
    second = mine(["session closed on eth2 today"], first.store)
    (after,) = second.templates
    assert after.id == before.id
    assert (before.text, after.text) == (
        "session closed on eth1 today",
        "session closed on <*> today",
    )
    assert second.store.templates[after.id].count == 2


def test_of_two_templates_that_become_one_the_more_frequent_gives_its_id() -> None:
    lines = ["chdir(home) did not work", "pwd", *["chdir(/a/b) did not work"] * 3]
    first = mine(lines[:1])
    second = mine(lines[2:])
    assert first.ids[0] != second.ids[0]
    apart = mine(["say word or the like", "say word", *["say (home) or the like"]])
    assert len(apart.templates) == 3
    known = TemplateStore(
        {**first.store.templates, **second.store.templates},
        {**first.store.keys, **second.store.keys},
    )
    both = mine(["chdir(7) did not work"], known)
    assert both.ids == second.ids[:1]
    assert both.store.current(first.ids[0]) == second.ids[0]
    assert both.store.aliases == {first.ids[0]: second.ids[0]}


def test_a_store_is_the_same_after_a_file(tmp_path: Path) -> None:
    store = mine(["a 1", "user=x y", "b"]).store
    path = tmp_path / "templates.json"
    store.save(path)
    assert TemplateStore.load(path) == store
    content = path.read_bytes()
    TemplateStore.load(path).save(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 2}', '{"format": 1, "templates": {}, "keys": {"a": "T"}}'],
)
def test_a_broken_store_is_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "templates.json"
    path.write_text(content)
    with pytest.raises(SignalboxError, match=r"templates\.json: not a template store"):
        TemplateStore.load(path)
    with pytest.raises(SignalboxError, match="no such file"):
        TemplateStore.load(tmp_path / "none.json")


@settings(deadline=None, max_examples=60)
@given(
    st.sets(messages.map(key_of).map(lambda key: coarse(key)[0]), max_size=30),
    st.sets(messages.map(key_of).map(lambda key: coarse(key)[0]), max_size=30),
    st.sampled_from(
        [DEFAULT_EVIDENCE, Evidence(words=2, words_beside_one=2, proof=2), Evidence(proof=2)]
    ),
)
def test_more_keys_never_part_what_was_together(
    some: set[str], more: set[str], evidence: Evidence
) -> None:
    before, after = generalise(some, evidence), generalise(some | more, evidence)
    for a in some:
        for b in some:
            if before[a] == before[b]:
                assert after[a] == after[b]


def test_nothing_gives_nothing() -> None:
    mined: Mined = mine([])
    assert mined.ids == []
    assert mined.templates == []
    assert mined.store == TemplateStore()
