import re

import pytest

from pipelines.aiops.alerting.config import (
    DAY,
    HOUR,
    SECOND,
    Integration,
    Range,
    load_config,
    parse_config,
)
from pipelines.aiops.alerting.config.matching import compiled
from pipelines.aiops.alerting.config.model import stretches
from pipelines.aiops.alerting.config.parse import config_with_pagers
from pipelines.core.errors import SignalboxError

BASE = """
route: {{receiver: a, {route}}}
receivers: [{{name: a, {receiver}}}]
{more}
"""


def read(route="", receiver="", more=""):
    return parse_config(BASE.format(route=route, receiver=receiver, more=more), "am.yml")


def test_a_route_inherits_all_but_its_time_intervals():
    config = read(
        "group_by: [job], group_wait: 1m30s, repeat_interval: 1d2h, "
        "routes: [{match: {severity: page}, mute_time_intervals: [off], routes: [{}]}]",
        more="mute_time_intervals: [{name: off, time_intervals: [{weekdays: ['saturday']}]}]",
    )
    child = config.route.routes[0]
    below = child.routes[0]
    assert (below.receiver, below.group_by, below.group_wait) == ("a", ("job",), 90 * SECOND)
    assert below.repeat_interval == DAY + 2 * HOUR
    assert (child.mute, below.mute) == (("off",), ())


def test_integrations_tell_of_resolved_alerts_as_their_kind_does_by_default():
    config = read(
        receiver="slack_configs: [{}, {send_resolved: true, text: '{{ .X }}'}], "
        "webhook_configs: [{}]"
    )
    assert config.receivers[0].integrations == (
        Integration("slack", False),
        Integration("slack", True),
        Integration("webhook", True),
    )


@pytest.mark.parametrize(
    ("regex", "value"), [(r"\d+", "٣"), (r"\w+", "é"), (r"a\sb", "a\u00a0b"), (r"a\b.+", "aé")]
)
def test_classes_of_a_regex_mean_ascii_as_in_re2(regex, value):
    python = re.compile(regex).fullmatch(value) is not None
    assert (compiled(regex).fullmatch(value) is not None) == (not python)


def test_a_receiver_without_integrations_wakes_nobody():
    assert not read().receivers[0].pages


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("route: [", "not valid YAML"),
        ("receivers: []", "route: is missing"),
        (
            "route: {receiver: b}\nreceivers: [{name: a}]",
            "route.receiver: there is no receiver 'b'",
        ),
        ("route: {receiver: a, rutes: []}\nreceivers: [{name: a}]", "unknown key 'rutes'"),
        (
            "route: {receiver: a, group_wait: soon}\nreceivers: [{name: a}]",
            "route.group_wait: 'soon'",
        ),
        ("route: {receiver: a, group_interval: 0s}\nreceivers: [{name: a}]", "cannot be zero"),
        ("route: {receiver: a, match: {x: y}}\nreceivers: [{name: a}]", "must not have matchers"),
        (
            "route: {receiver: a, routes: [{matchers: ['x=~\"(?=a)\"']}]}\nreceivers: [{name: a}]",
            "route.routes[0].matchers[0]: regex",
        ),
        (
            "route: {receiver: a, routes: [{matchers: ['{{ .x }}']}]}\nreceivers: [{name: a}]",
            "route.routes[0].matchers[0]:",
        ),
        (
            "route: {receiver: a, routes: [{mute_time_intervals: [x]}]}\nreceivers: [{name: a}]",
            "there is no time interval 'x'",
        ),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_file_and_key(text, says):
    with pytest.raises(SignalboxError) as error:
        parse_config(text, "am.yml")
    assert str(error.value).startswith("am.yml: ")
    assert says in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SignalboxError, match="nowhere"):
        load_config(tmp_path / "nowhere.yml")


def interval(body):
    text = f"time_intervals: [{{name: t, time_intervals: [{body}]}}]"
    return read(more=text).time_intervals[0].ranges


def test_the_last_days_of_a_month_are_counted_from_its_end():
    ranges = interval("{days_of_month: ['-2:-1'], months: ['february']}")
    assert ranges[0].days_of_month == (Range(-2, -1),)
    # 2024-01-01 … 2024-12-31: a leap year.
    found = stretches(ranges, 1704067200 * SECOND, 1735603200 * SECOND)
    assert found == [(1709078400 * SECOND, 1709251200 * SECOND)]


@pytest.mark.parametrize("part", ["times", "weekdays", "days_of_month", "months", "years"])
def test_a_list_that_is_given_and_empty_means_never_and_one_that_is_not_given_always(part):
    first, last = 1704067200 * SECOND, (1704067200 + 86400) * SECOND
    assert stretches(interval(f"{{{part}: []}}"), first, last) == []
    assert stretches(interval(f"{{{part}: }}"), first, last) == [(first, last + SECOND)]
    assert stretches(interval("{}"), first, last) == [(first, last + SECOND)]
    # Any entry of an interval is enough.
    assert stretches(interval(f"{{{part}: []}}, {{}}"), first, last) == [(first, last + SECOND)]


def test_a_part_of_a_time_interval_that_is_no_list_is_an_error():
    with pytest.raises(SignalboxError, match=r"am.yml: .*\.months: must be a list"):
        interval("{months: may}")


def test_a_time_of_day_follows_its_zone_through_a_change_of_clocks():
    ranges = interval("{location: Europe/Berlin, times: [{start_time: 01:00, end_time: 04:00}]}")
    # 2024-03-31: from 02:00 to 03:00 there is nothing, the stretch is an hour shorter.
    midnight = 1711839600 * SECOND
    found = [
        pair
        for pair in stretches(ranges, midnight, midnight + DAY)
        if pair[0] < midnight + 3 * HOUR
    ]
    assert (midnight + HOUR, midnight + 3 * HOUR) in found


@pytest.mark.parametrize(
    ("name", "configs", "pages"),
    [
        ("shop", "pagerduty_configs: [{}]", True),
        ("shop", "opsgenie_configs: [{}], slack_configs: [{}]", True),
        ("shop", "victorops_configs: [{}]", True),
        ("shop", "pushover_configs: [{}]", True),
        ("web-on-call", "webhook_configs: [{}]", True),
        ("team_pager", "webhook_configs: [{}]", True),
        ("sms-night", "sns_configs: [{}]", True),
        ("shop", "webhook_configs: [{}]", False),
        ("homepage", "webhook_configs: [{}]", False),
        ("callbacks", "webhook_configs: [{}]", False),
        ("deadmansswitch", "webhook_configs: [{}]", False),
        ("slack-on-call", "slack_configs: [{}]", False),
        ("on-call", "email_configs: [{}]", False),
        ("nobody", "", False),
    ],
)
def test_phones_page_and_chats_mail_and_plain_webhooks_do_not(name, configs, pages):
    text = f"route: {{receiver: {name}}}\nreceivers: [{{name: {name}, {configs}}}]"
    assert parse_config(text, "am.yml").receivers[0].pages is pages


TWO = """
route: {receiver: chat, routes: [{receiver: hook, matchers: [a="b"]}]}
receivers:
  - {name: chat, slack_configs: [{}], email_configs: [{}]}
  - {name: hook, webhook_configs: [{}], slack_configs: [{}]}
  - {name: nobody}
"""


def test_who_pages_can_be_said_by_name(tmp_path):
    path = tmp_path / "am.yml"
    path.write_text(TWO)
    config = config_with_pagers(str(path), ["hook"])
    assert [each.pages for each in config.receivers] == [False, True, False]
    hook = config.receiver("hook")
    assert hook.pages_through([Integration("webhook", True)])
    assert not hook.pages_through([Integration("slack", False)])
    chat = config_with_pagers(str(path), ["chat"]).receiver("chat")
    assert chat.pages_through([Integration("slack", False)])


def test_where_no_receiver_pages_the_key_and_the_receivers_are_named(tmp_path):
    path = tmp_path / "am.yml"
    path.write_text(TWO)
    key = "aiops.export_rules.paging_receivers"
    said = rf"am.yml: no receiver .* set {key} .* chat \(email, slack\), hook "
    with pytest.raises(SignalboxError, match=said):
        config_with_pagers(str(path), [])
    with pytest.raises(
        SignalboxError, match=r"aiops.export_rules.paging_receivers: am.yml has no receiver 'x'"
    ):
        config_with_pagers(str(path), ["hook", "x"])
    assert config_with_pagers(None, []).receivers[0].pages
