"""Configurations as people write them."""

FULL = """\
# The company's configuration; ask ops before you change it.
global:
  resolve_timeout: 5m   # five
templates: ['/etc/alertmanager/*.tmpl']
x: &paging   # unknown to nobody: an anchor
  receiver: team
route:   # root
  receiver: 'team'
  group_by: ['alertname', "cluster"]
  routes:
    # the database
    - receiver: db
      matchers: [ team="db" ]
      mute_time_intervals: [offhours]
      # after the database
    - match_re:
        service: ^(a|b)$
      receiver: team   # indeed
      routes:
      - {matchers: ['severity = critical'], receiver: db}
  # end of routes

receivers:
  - name: team
    webhook_configs:
    - url: "http://127.0.0.1:1/"
      send_resolved: true
  - name: db
    pagerduty_configs:
    - service_key: abc
      description: |
        {{ range .Alerts }}

        # not a comment
        {{ end }}

  - name: chat   # wakes nobody
    slack_configs:
    - channel: '#alerts'
      api_url: http://127.0.0.1:1/

# intervals
time_intervals:
- name: offhours
  time_intervals:
  - weekdays: ['monday:friday']
# done
""".replace("x: &paging   # unknown to nobody: an anchor\n  receiver: team\n", "")

SMALL = "route:\n  receiver: team\nreceivers:\n- name: team\n- name: chat\n"
FLOW = (
    "{route: {receiver: team, routes: []}, receivers: [{name: team}, {name: chat}], "
    "inhibit_rules: []}\n"
)
NULLS = (
    "route:\n  receiver: team\n  routes:  # none yet\nreceivers:\n- name: team\n- name: chat\n"
    "inhibit_rules:\ntime_intervals:   # later\n"
)
ANCHORS = """\
route:
  receiver: team
  group_by: &by [alertname]
  routes:
  - receiver: b
    group_by: *by
    matchers: &db ['team="db"']
receivers:
- name: team   # first
- name: chat
- &b
  name: b
inhibit_rules:
- source_matchers: ['severity="critical"']
  target_matchers: *db
  equal: *by
"""
CONTINUES = """\
route:
  receiver: team
  routes:
  - receiver: audit
    matchers: ['alertname="Audited"']
    continue: true
  - receiver: b
    matchers: ['team="db"']
receivers:
- name: team
- name: b
- name: chat
- name: audit
"""
ALL = {
    "full": FULL,
    "small": SMALL,
    "flow": FLOW,
    "nulls": NULLS,
    "anchors": ANCHORS,
    "continues": CONTINUES,
    "no last newline": FULL.rstrip("\n"),
    "small without a last newline": SMALL.rstrip("\n"),
    "windows": FULL.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + FULL,
    "end marker": SMALL + "...\n# after the end\n",
    "start marker": "---\n" + SMALL + "# tail\n",
}
