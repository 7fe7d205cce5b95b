"""Each third of a history is judged with rules that were mined on the other two."""

import weakref
from dataclasses import replace

import pytest

from pipelines.aiops.alerting import judging
from pipelines.aiops.alerting.config import parse_config, with_pagers
from pipelines.aiops.alerting.evaluation import Backtest, tables, together
from pipelines.aiops.alerting.evaluation.incidents import Ticket
from pipelines.aiops.alerting.export.bundle import Sources
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.rules import HoldRule
from pipelines.aiops.alerting.windows import HistoryWindow, thirds
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.select_rules import COLUMNS, as_csv, choose, curve, judged
from pipelines.core.errors import SignalboxError
from pipelines.core.time import DAY_US, SECOND_US
from tests.unit.aiops.alerting.evaluation.made_up import labels_of
from tests.unit.aiops.alerting.replay.worlds import frame_of

DAY, HOUR = 86_400, 3600
SERIES = ["Slow web", "Late web", "Errors web", "Slow db"]
SLOW, LATE, ERRORS, SLOW_DB = range(4)
TEXT = """
route: {receiver: pager, group_by: ['...'], group_interval: 1m, repeat_interval: 4h}
receivers:
  - {name: pager, pagerduty_configs: [{}]}
  - {name: chat, slack_configs: [{}]}
"""


def case(rows=(), ticket=(), tickets=None):
    """Nine days of a name that pages every third hour, another one in the last third alone."""
    usual = [(SLOW, at, at + 100) for at in range(0, 9 * DAY, 3 * HOUR)]
    usual += [(LATE, at + 5400, at + 5500) for at in range(6 * DAY, 9 * DAY, 2 * HOUR)]
    known = tickets or {}
    frame = frame_of(
        [*usual, *rows], labels_of(*SERIES), list(known), [*[-1] * len(usual), *ticket]
    )
    return judging.Case(
        frame=frame,
        config=with_pagers(parse_config(TEXT, "alertmanager.yml"), ()),
        sources=Sources(
            TEXT, "alertmanager.yml", servers=Servers((PrometheusServer("prometheus.yml"),)),
            paging_receivers=(),
        ),
        tickets=known,
        params=AiopsParams.model_validate({}),
    )  # fmt: skip


def held_names(rules):
    return {
        matcher.value
        for rule in rules
        if isinstance(rule, HoldRule)
        for matcher in rule.matchers
        if matcher.label == "alertname"
    }


def fitted(given):
    """All thirds with all that was replayed, as no stage keeps them."""
    return judging.cross_fit(given, judging.Unseen.fold)


def summed(given):
    return judging.cross_fit(given, lambda unseen: tables.JudgedFold.of(unseen.fold()))


def effect_of(folds):
    return together([fold.effect for fold in folds])


@pytest.mark.parametrize("days", [3, 9, 10, 11, 84])
def test_thirds_are_whole_days_one_after_the_other(days):
    whole = HistoryWindow(5 * DAY_US, (5 + days) * DAY_US)
    parts = thirds(whole)
    assert [part.start for part in parts] == [whole.start, parts[0].end, parts[1].end]
    assert parts[-1].end == whole.end
    assert all(part.start % DAY_US == 0 for part in parts)
    lengths = [part.days for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_a_history_that_is_too_short_for_thirds_is_refused():
    with pytest.raises(SignalboxError, match="freeze a longer window"):
        thirds(HistoryWindow(0, 2))


def test_no_third_is_judged_with_rules_that_know_it():
    """A name that only the last third has is held in the others, where it never fires."""
    found = fitted(case())
    assert [held_names(fold.rules) for fold in found] == [
        {"Slow", "Late"}, {"Slow", "Late"}, {"Slow"},
    ]  # fmt: skip
    windows = [fold.backtest.window for fold in found]
    assert windows == list(thirds(case().whole))
    names = {row.value: row for row in tables.by_name(summed(case()))}
    assert names["Slow"].saved == names["Slow"].baseline == 72
    assert names["Late"].saved == 0
    assert (names["Slow"].held, names["Late"].held) == (72, 0)


def test_what_is_judged_goes_through_files_that_are_read_back():
    def both(unseen):
        return {rule.id for each in unseen.files.held for rule in each.rules}, unseen.rules

    for in_files, rules in judging.cross_fit(case(), both):
        assert in_files == {rule.id for rule in rules}


def test_a_third_is_gone_before_the_next_one_is_replayed(monkeypatch):
    """What a stage takes for memory is one third's alerts and replays, not three thirds'."""
    alive = []
    replayed = Backtest.replay_deployed

    def replay_deployed(self, files):
        assert not [one for one in alive if one() is not None and one() is not self]
        alive.append(weakref.ref(self))
        return replayed(self, files)

    monkeypatch.setattr(Backtest, "replay_deployed", replay_deployed)
    kept = summed(case()), judged(case(), [180, 300])
    assert len(alive) == 3 + 3 * 2
    assert [len(each) for each in kept] == [3, 3]


def test_longer_waits_save_more():
    """Alerts of 200 s are over before five minutes, and not before three."""
    rows = [(SLOW_DB, at + HOUR, at + HOUR + 250) for at in range(0, 9 * DAY, 3 * HOUR)]
    given = case(rows, [-1] * len(rows))
    points = curve(judged(given, [180, 300, 600]), (600, 180, 300, 300))
    assert [point.wait_seconds for point in points] == [180, 300, 600]
    assert points[0].saved_share < points[1].saved_share == points[2].saved_share
    assert points[1].pages == len(effect_of(fitted(given)).candidate)
    table = as_csv(points).splitlines()
    assert table[0] == ",".join(COLUMNS)
    assert len(table) == 4


def test_waits_are_judged_alike_whichever_of_them_the_rules_were_mined_with():
    rows = [(SLOW_DB, at + HOUR, at + HOUR + 250) for at in range(0, 9 * DAY, 3 * HOUR)]
    given = case(rows, [-1] * len(rows))
    (point,) = curve(judged(given, [180]), [180])
    mined_so = judging.cross_fit(given, judging.Unseen.fold, 180)
    assert held_names(mined_so[0].rules)
    assert point.pages == len(effect_of(mined_so).candidate)


INCIDENT = Ticket(title="Web was down", service="web", fix="restart", opened=(5 * DAY) * SECOND_US)


def test_a_counted_miss_names_the_guilty_and_a_set_without_them_is_proposed():
    rows = [(SLOW, 5 * DAY - 5000, 5 * DAY - 4900)]
    given = case(rows, [0], {"INC-1": INCIDENT})
    folds = summed(given)
    found = effect_of(folds)
    assert [each.ticket for each in found.credible if each.missed] == ["INC-1"]
    assert judging.guilty_names(found) == ["Slow"]
    smaller = judging.smaller_set(given, folds)
    assert smaller.guilty == ["Slow"]
    assert smaller.exclude == [{"alertname": "Slow"}]
    assert (smaller.outcome.incidents, smaller.outcome.missed) == (1, 0)
    assert smaller.outcome.saved_share == 0
    (missed,) = [each for each in tables.incidents(found.incidents) if each.missed]
    assert (missed.title, missed.service, missed.names) == ("Web was down", "web", ["Slow"])
    assert missed.heard_after_seconds == 5000


def test_where_nothing_counted_is_missed_nothing_smaller_is_proposed():
    given = case()
    assert judging.smaller_set(given, summed(given)) is None
    rows = [(SLOW, 5 * DAY - 5000, 5 * DAY - 4900)]
    unfixed = case(rows, [0], {"INC-1": replace(INCIDENT, fix="")})
    found = summed(unfixed)
    assert len(effect_of(found).missed) == 1
    assert judging.smaller_set(unfixed, found) is None


def test_with_few_incidents_rules_wait_for_three_minutes_and_it_is_said():
    given = case([(ERRORS, 5 * DAY - 5000, 5 * DAY)], [0], {"INC-1": INCIDENT})
    candidates = given.mine([given.whole], None)
    assert {rule.wait_seconds for rule in candidates if isinstance(rule, HoldRule)} == {300}
    found = choose(given, candidates)
    assert found.credible == 1
    assert found.wait_seconds == 180
    assert "fewer than 30: alerts wait 180 s instead of 300 s" in found.few
    assert {point.wait_seconds for point in found.curve} == {180, 300, 600}
    enough = replace(
        given, params=AiopsParams.model_validate({"select_rules": {"incidents_for_full_wait": 1}})
    )
    found = choose(enough, candidates)
    assert (found.wait_seconds, found.few) == (300, "")


def test_a_candidate_that_no_file_can_take_is_left_out_and_it_is_said_why():
    unknown = replace(case(), sources=replace(case().sources, servers=Servers()))
    found = choose(unknown, unknown.mine([unknown.whole], None))
    assert found.rules == ()
    assert found.dropped
    assert all(each.reason.startswith("can't be exported") for each in found.dropped)


def test_what_is_left_is_named_with_its_hours_of_the_night():
    rows = [(SLOW_DB, day * DAY + 3 * HOUR + 600, day * DAY + 5 * HOUR) for day in range(9)]
    found = summed(case(rows, [-1] * len(rows)))
    left = {row.name: row for row in tables.remaining(found)}
    assert left["Late"].noisy  # held where it never fires
    assert left["Slow"].services == ["db"]
    assert left["Slow"].night == pytest.approx(9, abs=0.2)
    assert left["Slow"].night_hours["03"] == pytest.approx(9, abs=0.2)
    assert sum(row.share for row in left.values()) == pytest.approx(1)


def test_pages_by_team_receiver_and_name_add_up_to_all_pages():
    rows = [(SLOW_DB, at + HOUR, at + HOUR + 900) for at in range(0, 9 * DAY, 3 * HOUR)]
    folds = summed(case(rows, [-1] * len(rows)))
    today = sum(len(fold.effect.baseline) for fold in folds)
    left = sum(len(fold.effect.candidate) for fold in folds)
    for table in (tables.by_team(folds), tables.pages_by([fold.names for fold in folds])):
        assert sum(row.baseline for row in table) == pytest.approx(today)
        assert sum(row.candidate for row in table) == pytest.approx(left)
    (pager, chat) = tables.receivers(folds)
    assert (pager.receiver, pager.baseline, pager.candidate) == ("pager", today, left)
    assert chat.receiver == "chat"
    assert chat.candidate > chat.baseline
    rules = [rule for rule in folds[0].rules if "Slow" in held_names([rule])]
    (done,) = tables.by_rule(rules, folds)
    assert done.alerts == 144
    assert done.pages_saved > 0
