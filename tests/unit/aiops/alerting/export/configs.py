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

# intervals
time_intervals:
- name: offhours
  time_intervals:
  - weekdays: ['monday:friday']
# done
""".replace("x: &paging   # unknown to nobody: an anchor\n  receiver: team\n", "")

SMALL = "route:\n  receiver: a\nreceivers:\n- name: a\n"
FLOW = "{route: {receiver: a, routes: []}, receivers: [{name: a}, {name: b}], inhibit_rules: []}\n"
NULLS = (
    "route:\n  receiver: a\n  routes:  # none yet\nreceivers:\n- name: a\n"
    "inhibit_rules:\ntime_intervals:   # later\n"
)
ANCHORS = """\
route:
  receiver: a
  group_by: &by [alertname]
  routes:
  - receiver: b
    group_by: *by
    matchers: &db ['team="db"']
receivers:
- name: a   # first
- &b
  name: b
inhibit_rules:
- source_matchers: ['severity="critical"']
  target_matchers: *db
  equal: *by
"""
CONTINUES = """\
route:
  receiver: a
  routes:
  - receiver: audit
    continue: true
  - receiver: b
    matchers: ['team="db"']
receivers:
- name: a
- name: b
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
