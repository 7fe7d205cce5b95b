"""No personal data and no secret gets past the mask."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.log_parsing.masking import DEFAULT_KINDS, KINDS, luhn, mask
from pipelines.aiops.logs.templates import mine
from pipelines.core.errors import SignalboxError


def masked(text: str, *kinds: str) -> str:
    return str(mask([text], kinds or DEFAULT_KINDS).lines[0].as_py())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail to a.b+c@d-e.example.org now", "mail to <mail> now"),
        ("from 10.1.2.3:80 to [fe80::1]", "from <ip>:80 to [<ip>]"),
        ("from 2001:0db8:0:0:0:0:0:1 port 5", "from <ip> port 5"),
        ("card 4111 1111 1111 1111 ok", "card <card> ok"),
        ("id 4111 1111 1111 1112 ok", "id 4111 1111 1111 1112 ok"),
        ("block blk_-4111111111111111 ok", "block blk_-4111111111111111 ok"),
        ("password=hunter2, user=x", "password=<secret>, user=x"),
        ('{"api_key": "abc123def", "a": 1}', '{"api_key": "<secret>", "a": 1}'),
        ("Authorization: Bearer abc.def-123", "Authorization: <secret>"),
        ("db postgres://bob:s3cret@db/x", "db postgres://bob:<secret>@db/x"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key <token> used"),
        ("jwt eyJhbGciOi.eyJzdWIiOiIx.c2ln ok", "jwt <token> ok"),
        ("sent bearer abcdefgh12345678 ok", "sent <token> ok"),
        ("password=p@ss'", "password=<secret>'"),
        ("std::add at 12:30:45, basic information", "std::add at 12:30:45, basic information"),
    ],
)
def test_what_is_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_masked_lines_are_mined_like_the_lines_themselves() -> None:
    lines = ["from 10.0.0.1:80 by a@b.cd now", "from 10.0.0.2:81 by e@f.gh now"]
    plain, hidden = mine(lines), mine(mask(lines).lines)
    assert hidden.ids == plain.ids
    assert hidden.templates[0].typed == "from <masked> by <masked> now"


def test_phone_numbers_only_on_demand() -> None:
    assert masked("call +49 30 1234567") == "call +49 30 1234567"
    assert masked("call +49 30 1234567", "phone") == "call <phone>"


def test_kinds_are_chosen_and_counted() -> None:
    result = mask(["a@b.cd 1.2.3.4", "1.2.3.4", "nothing"], ["ip"])
    assert result.lines.to_pylist() == ["a@b.cd <ip>", "<ip>", "nothing"]
    assert result.counts == {"ip": 2}
    assert mask(["a@b.cd"], []).lines.to_pylist() == ["a@b.cd"]
    with pytest.raises(SignalboxError, match="no kind of personal data 'dna'"):
        mask(["x"], ["dna"])


octets = st.integers(0, 255).map(str)
surroundings = st.text(st.characters(codec="utf-8", exclude_categories=("L", "N")), max_size=8)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789._+-", min_size=1, max_size=12)
labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(surroundings, st.tuples(octets, octets, octets, octets), surroundings)
def test_no_address_gets_past(before: str, parts: tuple[str, ...], behind: str) -> None:
    address = ".".join(parts)
    assert address not in masked(f"{before} {address} {behind}")


@settings(deadline=None, max_examples=60)
@given(names, labels, labels)
def test_no_mail_gets_past(name: str, host: str, domain: str) -> None:
    assert masked(f"to {name}@{host}.{domain}!", "mail") == "to <mail>!"


@settings(deadline=None, max_examples=60)
@given(st.from_regex("[2-6][0-9]{11,17}", fullmatch=True), st.sampled_from(["", " ", "-"]))
def test_cards_are_told_from_other_numbers_by_their_check_digit(body: str, gap: str) -> None:
    whole = [body + digit for digit in "0123456789"]
    valid = [number for number in whole if luhn(number)]
    assert len(valid) == 1
    for number in whole:
        line = f"pay {gap.join(number)} now"
        assert masked(line, "card") == ("pay <card> now" if number in valid else line)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=6))
def test_masking_twice_is_masking_once(lines: list[str]) -> None:
    once = mask(lines, KINDS).lines
    assert len(once) == len(lines)
    assert mask(once, KINDS).lines.to_pylist() == once.to_pylist()


SECRETS = ["a@b.cd", "10.0.0.7", "password=x1y2", "4111111111111111", "fe80::7"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(SECRETS), max_size=6), surroundings)
def test_masking_secrets_twice_is_masking_them_once(parts: list[str], gap: str) -> None:
    once = mask([f" {gap} ".join(parts)], KINDS).lines
    assert mask(once, KINDS).lines.to_pylist() == once.to_pylist()
    assert not any(secret in once[0].as_py() for secret in SECRETS if secret in parts)
