"""Decision, missed incidents and harmful rules stand before everything else."""

import pytest

from pipelines.aiops import report_rules
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases

HARMFUL = {
    "rule": "hold-7",
    "sentence": "Rule hold-7 hid INC-7.",
    "missed": ["INC-7"],
    "late": [],
    "sole_cause": True,
    "command": "signalbox rules withdraw hold-7",
}


def shown(**given) -> Page:
    params = cases.leave(**given)
    return Page(render(report_rules.make_page(report_rules.gather_inputs(params))))


def contents(page: Page) -> list[str]:
    return [e.text for e in page.all("a") if "nav" in e.inside]


def headline(page: Page) -> dict[str, str]:
    block = next(e for e in page.all("dl") if e.attributes.get("class") == "headline")
    terms = [e.text for e in page.all("dt") if e.text in block.text][:4]
    much = [e.text for e in page.all("dd") if e.attributes.get("class") == "much"]
    return dict(zip(terms, much, strict=True))


def test_four_numbers_say_what_it_comes_to(here):
    assert headline(shown()) == {
        "Pager pages a week": "163 → 70.0",
        "Of these at night, 22 to 07 o’clock": "49.0 → 21.0",
        "Incidents missed": "0 of 2",
        "Later than 5 minutes": "4.0%",
    }


def innermost(page, words):
    """The smallest fold that says so: chapters are folded as well."""
    return min((e for e in page.all("details") if words in e.text), key=lambda e: len(e.text))


def test_all_but_decision_and_next_step_is_folded_and_what_is_missed_stays_in_sight(here):
    page = shown()
    folded = " ".join(e.text for e in page.all("summary"))
    for title in ("What would be different next week", "Incidents: missed and delayed", "Limits"):
        assert f"Show: {title}" in folded
    assert "Show: Decision and checks" not in folded
    assert "Show: What to do next" not in folded
    assert not any("Checks that did not pass" in e.text for e in page.all("details"))


def test_what_changes_comes_before_what_it_rests_on(here):
    assert contents(shown()) == [
        "Decision and checks", "Incidents", "Next step", "Next week", "Saving against delay",
        "When a held alert pages", "The rules", "What people say", "Fix at the source",
        "Certificate", "Left out", "The data", "Limits", "How to reproduce",
        *contents(shown())[14:],
    ]  # fmt: skip


def test_a_harmful_rule_comes_before_all(here):
    page = shown(harmful=[HARMFUL])
    assert contents(page)[0] == "Harmful rules"
    main = page.all("main")[0].text
    assert "signalbox rules withdraw hold-7" in main
    assert main.index("INC-7") < main.index("What would be different next week")
    banner = next(e for e in page.all("div") if "decision" in e.attributes.get("class", ""))
    assert banner.attributes["class"] == "decision open"
    assert "1 published rule did harm" in banner.text


@pytest.mark.parametrize(
    ("released", "said"), [(None, "No rule set is released yet"), ("rules-1", "hid no incident")]
)
def test_without_a_harmful_rule_there_is_no_such_chapter(here, released, said):
    page = shown(released=released)
    assert said in page.text
    assert "Harmful rules" not in page.text
    assert contents(page)[0] == "Decision and checks"


@pytest.mark.parametrize(
    ("shadow", "where", "counted"),
    [
        (True, "in shadow, in no file", "it would have missed 1, and 5.0% would have been told"),
        (False, "is in production", "it missed 1, and 5.0% were told"),
    ],
)
def test_what_released_rules_do_of_late_is_told_with_where_they_are(here, shadow, where, counted):
    effect = {"pages": 40, "saved_share": 0.6, "incidents": 20, "missed": 1, "late_15m_share": 0.05}
    window = ("2026-03-25T00:00:00Z", "2026-04-04T00:00:00Z")
    watched = {"shadow": shadow, "window": window, "effect": effect}
    page = shown(watched=watched)
    for said in ("From 2026-03-25 to 2026-04-04: rules-1", where, "60.0% of the pager", counted):
        assert said in page.text, said
    assert ("hidden no incident" in page.text) is shadow
    banner = shown(watched=watched, harmful=[HARMFUL]).text
    assert ("1 rule in shadow would have done harm" in banner) is shadow


def test_every_counted_miss_is_told_by_title_service_and_time_until_a_human_heard(here):
    missed = cases.incident("INC-9", None, missed=True)
    page = shown(incidents=[*cases.INCIDENTS, missed])
    row = next(e for e in page.all("tr") if "INC-9" in e.text)
    assert row.attributes["class"] == "strong"
    for said in ("outage of INC-9", "cart-api", "sev2", "08:00:00", "12\N{NO-BREAK SPACE}min"):
        assert said in row.text, said
    table = next(e for e in page.all("table") if "INC-9" in e.text)
    assert "Incidents missed, each of them" in table.text
    assert "INC-2" not in table.text
    assert "Rejected" in page.text


def test_a_miss_that_nobody_heard_of_says_so(here):
    unknown = cases.incident("INC-9", None, missed=True, heard_after_seconds=None)
    row = next(e for e in shown(incidents=[unknown]).all("tr") if "INC-9" in e.text)
    assert "not known" in row.text


def test_a_miss_that_the_gate_does_not_count_stands_apart(here):
    doubtful = cases.incident("INC-9", None, missed=True, credible=False)
    page = shown(incidents=[*cases.INCIDENTS, doubtful])
    assert "1 missed incident that the gate doesn’t count" in page.text
    assert "Incidents missed, each of them" not in page.text
    assert "0 of them credible" in page.text


def test_much_delayed_incidents_stand_before_those_that_are_hardly_late(here):
    late = [cases.incident("INC-5", 400.0), cases.incident("INC-6", 4000.0),
            cases.incident("INC-4", 30.0)]  # fmt: skip
    page = shown(incidents=late)
    table = next(e for e in page.all("tbody") if "INC-6" in e.text)
    assert table.text.index("INC-6") < table.text.index("INC-5")
    assert "INC-4" not in table.text
    fold = next(e for e in page.all("details") if "INC-4" in e.text)
    assert "1 incident notified later by at most 5 minutes" in fold.text


def test_many_late_incidents_are_folded_away(here):
    late = [cases.incident(f"INC-{n:03d}", 400.0 + n) for n in range(30)]
    page = shown(incidents=late)
    fold = innermost(page, "18 more incidents so late")
    assert "INC-000" in fold.text
    assert "INC-029" not in fold.text


def test_shares_of_late_incidents_are_told_with_what_they_are_shares_of(here):
    rows = cases.rows_of(shown(), "First pages of incidents")
    told = {label.rstrip("0123456789"): cells for label, cells in rows.items()}
    assert told["later than 1 minute"] == ["10", "40", "25.0%"]
    assert told["missed (credible)"] == ["0", "2", "0.0%"]
    assert told["missed if only its own alerts count"] == ["1", "2", "50.0%"]


def test_only_rules_of_this_set_are_linked(here):
    page = shown()
    row = next(e for e in page.all("tr") if "INC-2" in e.text)
    assert "disk_full, gone" in row.text
    links = [e.text for e in page.all("a") if "rule-" in e.attributes["href"]]
    assert "disk_full" in links
    assert "gone" not in links


def test_a_rejection_names_the_guilty_and_a_smaller_set(here):
    missed = [cases.incident(f"INC-{n}", None, missed=True) for n in (8, 9)]
    page = shown(incidents=missed, more={"replay_rules": {"smaller_set": cases.SMALLER}})
    text = page.text
    assert "Without the 1 alert name below: 77.0 pager pages a week, 45.0% fewer" in text
    assert "to be judged on coming weeks" in text
    row = next(e for e in page.all("tr") if "outage of INC-8, outage of INC-9" in e.text)
    assert "disk_full" in row.text
    assert "hold-1" in row.text
    assert '- {alertname: "disk_full"}' in text


def test_a_smaller_set_is_offered_on_demand_where_the_gate_lets_a_miss_pass(here):
    page = shown(more={"replay_rules": {"smaller_set": cases.SMALLER}})
    fold = next(e for e in page.all("details") if "a smaller set" in e.text)
    assert "If what is missed is too much" in fold.text
    assert "to be judged on coming weeks" in fold.text


def test_a_rejection_without_a_guilty_name_points_at_the_checks(here):
    missed = [cases.incident("INC-9", None, missed=True)]
    assert "No alert name is the cause" in shown(incidents=missed).text


def test_few_credible_incidents_are_no_rejection(here):
    few = {"select_rules": {"credible_incidents": 12, "wait_seconds": 180, "few_incidents": "few"}}
    text = shown(more=few).text
    assert "The history has 12 credible incidents, fewer than the 30" in text
    assert (
        "structure now (one page per service and storm, hold ≤ 3 minutes), the rest in shadow, "
        "judged every week until 30 are known"
    ) in text
    assert "Every rule of this set holds for 3\N{NO-BREAK SPACE}min." in text
    assert "Too few incidents" not in shown().text


def test_a_person_can_choose_the_wait_from_a_curve(here):
    page = shown()
    svg = next(e for e in page.all("svg") if "Pages saved against incidents" in e.text)
    for key in ("later than 1 minute", "later than 5 minutes", "later than 15 minutes"):
        assert key in svg.text
    rows = cases.rows_of(page, "What each wait would do")
    assert rows["3 min"] == ["81.7", "50.0%", "0 of 48", "20.0%", "4.0%", "2.1%"]
    assert rows["5 min (this set)"] == ["70.0", "57.0%", "0 of 48", "25.0%", "4.0%", "2.1%"]
    assert rows["10 min"] == ["49.0", "70.0%", "0 of 48", "30.0%", "4.0%", "2.1%"]


def test_simpler_ways_are_judged_beside_the_rules(here):
    rows = cases.rows_of(shown(), "Simpler ways")
    assert list(rows)[1:] == ["These rules", "grouped by disk_full", "cool-down of 1 h"]
    assert rows["These rules"][:3] == ["70.0", "57.0%", "0 of 48"]
    assert rows["cool-down of 1 h"][:3] == ["125", "23.4%", "4 of 48"]


def test_nine_rules_are_told_in_plain_words_with_their_settings(here):
    page = shown()
    nine = [rule for rule in cases.rows_of(page, "group signalbox-hold") if rule != "Rule"]
    assert len(nine) == 9
    assert nine[0] == "signalbox:held"
    assert nine[-1] == "SignalboxPage"
    rows = cases.rows_of(page, "Reasons to page")
    assert list(rows)[1:] == [
        "Company", "Instances", "Storm", "Back again", "More than usual", "It lasts",
    ]  # fmt: skip
    assert "2 alert names or more" in rows["Company"][0]
    assert "within 10 min" in rows["Company"][0]
    assert "3 instances or more" in rows["Instances"][0]
    assert "3 services or more within 1 min" in rows["Storm"][0]
    assert "it began on its service 5 times, and 5 times more for each time that is usual" in (
        rows["More than usual"][0].replace("\N{NO-BREAK SPACE}", " ")
    )
    assert rows["Back again"] == ["It began twice within 30 min.", "at its second beginning"]
    assert rows["It lasts"][1] == "after 5 min"
    assert "one page for each pager and 1\N{NO-BREAK SPACE}h, counted from the onset" in page.text


def test_each_held_name_says_what_it_touched(here):
    rows = cases.rows_of(shown(), "what each touched")
    assert "other" not in rows, "no rule holds it"
    assert rows["disk_full"] == [
        "98.0 → 9.8", "49.0 → 4.9", "480 of 500", "1 min 30 s", "7", "3", "0",
        "3",
    ]  # fmt: skip


def test_a_name_that_hid_an_incident_is_never_folded_away(here):
    names = [cases.named(f"name-{n:02d}", baseline=900.0 - n, missed=n == 39) for n in range(40)]
    page = shown(more={"replay_rules": {"names": names}})
    assert list(cases.rows_of(page, "what each touched"))[1] == "name-39"


def test_many_held_names_are_folded_away(here):
    names = [cases.named(f"name-{n:02d}", baseline=900.0 - n) for n in range(40)]
    page = shown(more={"replay_rules": {"names": names}})
    fold = innermost(page, "25 more held alert names")
    assert "name-39" in fold.text
    assert "name-00" not in fold.text


@pytest.mark.parametrize(
    ("lake", "synthetic"), [(None, True), ("telemetry/simulated", True), ("telemetry/lake", False)]
)
def test_a_simulated_history_is_called_synthetic_at_the_top(here, lake, synthetic):
    page = shown(aiops={"alert_history": {"lake": lake}} if lake else {})
    top = page.all("header")[0].text
    assert ("Synthetic data" in top) == synthetic
    assert ("synthetic data" in page.all("title")[0].text) == synthetic


def test_every_rule_is_told_with_its_evidence_and_three_examples(here):
    page = shown()
    for rule in cases.rules():
        row = next(e for e in page.all("tr") if e.attributes.get("id", "").startswith("rule-")
                   and rule["id"] in e.text)  # fmt: skip
        assert "is told in a sentence" in row.text
        assert "20 days, 50 episodes" in row.text
        assert "at least 85.0%" in row.text
        assert "99.97% confidence" in row.text
        assert "2026-06-20" in row.text
    assert page.text.count("2026-03-02\N{NO-BREAK SPACE}10:00:00") == 3 * len(cases.rules())


def test_a_rule_that_was_not_exported_says_why(here):
    page = shown(why="no place for it")
    assert "1 rule could not be exported" in page.text
    assert "not exported: no place for it" in page.text


def test_the_policy_is_said_to_stand_where_it_stands(here):
    assert "From section aiops.gate_rules of params.yaml" in shown().text


def test_the_days_that_rules_rest_on_are_said(here):
    page = shown()
    assert "Mined from 2026-03-01 to 2026-03-19 (UTC)" in page.text
    assert "The history is judged in 3 parts" in page.text
    assert "rules from all but part 2" in page.text


def test_what_was_left_out_says_why(here):
    rows = cases.rows_of(shown(why="excluded in params.yaml"), "Why candidates were left out")
    told = ["Held: chat at once, the pager only for a reason", "1"]
    assert rows["excluded in params.yaml"] == told
    exclude = "aiops.mine_rules.exclude leaves out 4 pairs of alert name and service"
    assert rows[exclude] == told


def test_what_pages_and_is_not_held_says_why(here):
    page = shown()
    rows = cases.rows_of(page, "Alerts that page today and aren’t held, of 1,000")
    assert rows["disk_full is rare"] == ["120", "12.0%"]
    assert "no service" not in rows, "there is none"
    noisy = cases.rows_of(page, "Alert names that page often")
    assert noisy["disk_full"] == ["420", "410", "9", "7"]


def test_the_files_are_said_to_be_judged_in_sample(here):
    text = shown().text
    assert "in sample, so a little too good): 61.0% of the pager pages saved" in text
    assert "Certificate" in text


GONE = (
    "grouping",
    "keep_firing",
    "inhibit",
    "mute_time",
    "demot",
    "guard",
    "flapping",
    "validation",
)


def test_no_word_is_left_of_families_that_were_removed(here):
    text = shown().text.lower()
    assert not [word for word in GONE if word in text]


def test_pagerdutys_form_stands_beside_the_other_files(here):
    judged = {
        **cases.outcome(410, 0.2, missed=3), "services": ["oncall"], "baseline_pages": 512,
        "deployed": cases.outcome(400, 0.22),
        "missed_incidents": [one for one in cases.INCIDENTS if one["ticket"]][:1],
    }  # fmt: skip
    page = shown(more={"replay_rules": {"pagerduty": judged}})
    rows = cases.rows_of(page, "Two targets")
    assert list(rows)[1:] == [
        "Alertmanager and Prometheus, all pagers", "PagerDuty, notifications of its incidents",
    ]  # fmt: skip
    assert rows["PagerDuty, notifications of its incidents"][:4] == [
        "119",
        "95.7",
        "20.0%",
        "3 of 48",
    ]
    assert "Credible incidents that PagerDuty’s form hides" in page.text
    assert cases.rows_of(page, "What isn’t exported to PagerDuty")["no details"] == ["1"]


def test_without_rules_in_pagerdutys_form_nothing_is_compared(here):
    page = shown()
    assert "In PagerDuty instead" in page.text
    assert "Two targets" not in page.text
