"""What holds for every policy and all evidence."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.release.gating import Verdict, as_evidence, decide, judge, judge_all

from .cases import check, evidence, figure

RANK: dict[Verdict, int] = {"pass": 0, "inconclusive": 1, "fail": 2}
DECISIONS = ["approve", "review", "reject"]
numbers = st.floats(-10, 10, allow_nan=False)
widths = st.floats(0, 5)
compares = st.sampled_from(["at_least", "at_most", "not_worse_than_released"])
consequences = st.sampled_from(["reject", "review"])


@st.composite
def figures(draw: st.DrawFn, name: str = "evaluate.roc_auc"):
    value = draw(numbers)
    low = draw(st.none() | widths.map(lambda w: value - w))
    high = draw(st.none() | widths.map(lambda w: value + w))
    return figure(id=name, value=value, low=low, high=high)


@st.composite
def policies(draw: st.DrawFn):
    size = draw(st.integers(1, 6))
    checks, seen = [], []
    for i in range(size):
        name = f"evaluate.f{i}"
        checks.append(
            check(
                id=f"c{i}",
                figure=name,
                compare=draw(compares),
                threshold=draw(numbers),
                on_fail=draw(consequences),
                on_inconclusive=draw(consequences),
            )
        )
        if draw(st.booleans()):
            seen.append(draw(figures(name)))
    return checks, seen


@given(seen=figures(), compare=compares, threshold=numbers, tighter=widths)
def test_a_tighter_threshold_never_improves_a_verdict(seen, compare, threshold, tighter):
    step = tighter if compare == "at_least" else -tighter
    before = judge(check(compare=compare, threshold=threshold), seen)
    after = judge(check(compare=compare, threshold=threshold + step), seen)
    assert RANK[after] >= RANK[before]


@given(seen=figures(), compare=compares, threshold=numbers, left=widths, right=widths)
def test_a_wider_interval_never_turns_a_fail_into_a_pass(seen, compare, threshold, left, right):
    low = seen.value if seen.low is None else seen.low
    high = seen.value if seen.high is None else seen.high
    narrow = seen.model_copy(update={"low": low, "high": high})
    wide = seen.model_copy(update={"low": low - left, "high": high + right})
    asked = check(compare=compare, threshold=threshold)
    before, after = judge(asked, narrow), judge(asked, wide)
    assert after in (before, "inconclusive")


@given(policies())
def test_missing_evidence_never_approves(policy):
    checks, seen = policy
    if len(seen) == len(checks):
        seen = seen[1:]
    judged = judge_all(checks, evidence(*seen), {})
    assert as_evidence(judged, {}).details["decision"] != "approve"


@given(policies(), st.randoms())
def test_the_order_of_checks_changes_nothing(policy, random):
    checks, seen = policy
    before = judge_all(checks, evidence(*seen), {})
    shuffled = list(checks)
    random.shuffle(shuffled)
    after = judge_all(shuffled, evidence(*reversed(seen)), {})
    assert {j.check.id: j.verdict for j in before} == {j.check.id: j.verdict for j in after}
    assert decide((j.check, j.verdict) for j in before) == decide(
        (j.check, j.verdict) for j in after
    )


@given(policies())
def test_a_further_check_never_improves_the_decision(policy):
    checks, seen = policy
    judged = [(j.check, j.verdict) for j in judge_all(checks, evidence(*seen), {})]
    if not any(verdict == "pass" for _, verdict in judged[:-1]):
        return  # a first pass turns "nothing speaks for it" into something that does
    assert DECISIONS.index(decide(judged)) >= DECISIONS.index(decide(judged[:-1]))
