"""An exact batch model of Alertmanager: what history would have told whom, and when.

Releases 0.25 to 0.35 are modelled, the one that the configuration's `Process` names. Nothing waits
for a clock: the state of all groups is worked out with sorted arrays, a few passes over the data.

What is modelled, and where it stands in Alertmanager's source:

===============================================  ==============================  ==================
Rule                                             Alertmanager                    here
===============================================  ==============================  ==================
An alert ends at the deepest routes that match;  dispatch/route.go               `routing`
``continue`` looks at siblings too
Groups are (route, values of ``group_by``);      dispatch/dispatch.go            `lifetimes`
first flush after ``group_wait``, then every
``group_interval``; flushes drop what is
resolved; an empty group goes with the next
30 s sweep, since 0.32 at once
Alerts of one series that overlap are one        provider/mem, types.Merge       `lifetimes`
Pages that stand for held alerts                 (Prometheus) exported rules     `held_pages`
Inhibited if a source fires and ``equal``        inhibit/inhibit.go              `suppression`
labels are equal (missing = empty); two-sided
alerts don't inhibit each other
Muted in mute intervals, or outside active       timeinterval/timeinterval.go    `suppression`
ones, in their time zone
Silenced alerts are left out                     silence/silence.go              `suppression`
What is kept back at the flush that would see it  notify.MultiStage               `flushes`
end is dropped without a word
A notification goes out for new firing alerts,   notify/notify.go, DedupStage    `notification_log`
all resolved, new resolved ones
(``send_resolved``), or after
``repeat_interval``; nothing else
All resolved with ``send_resolved: false``:      notify/notify.go, RetryStage    `notification_log`
logged, not sent
Log entries end after twice                      nflog/nflog.go                  `notification_log`
``repeat_interval``, at most 120 h, with the
next 15-minute sweep; their age counts from when
the notification was answered
Routes with equal matchers on the way to them    dispatch/route.go, Route.Key    `routing`,
and one receiver share the entries of equal                                      `notification_log`
group labels
===============================================  ==============================  ==================

Approximations, all of them:

- Alertmanager hears of a start or an end the moment it happens, and every notification succeeds.
  Flushes are placed without the drift of timers, and what an answer takes counts for the age of log
  entries only (a real group isn't empty before its last notification is answered).
- Sweeps (30 s, 15 min) have the phase given in `Timing`, since no history tells when a process
  started.
- Prometheus sends resolved alerts again for 15 minutes. That keeps groups alive that long, which
  isn't modelled; it only decides whether a later alert waits ``group_wait`` or for a flush.
- Prometheus evaluates the rules about held alerts at multiples of their step since 1970 (a real one
  at its own phase), sees an alert as soon as it fires, and misses no evaluation.
- One process, not a cluster; no reloads or restarts.
- A receiver's integrations with one ``send_resolved`` are answered alike.
- Defects of releases aren't modelled: inhibitions that 0.28 to 0.34.0 lose when one of several
  sources resolves; entries lost by a race before 0.28. Nor are features that are off by default
  (``muted-alerts-in-nflog``, ``--dispatch.start-delay``), nor names in matchers that aren't of
  Prometheus' old form (0.27).

Where a rule can raise the number of pages, because semantics say so: an alert that is held can take
away the life of a group that a later, short alert fell into between two flushes; that alert then
has a group of its own, and is told after ``group_wait``. (Rare since 0.32.)

What differs between releases, as far as it decides who is told: ``group_by: []`` on a child
inherits before 0.31 (its pull request 4825); an empty group waits for a sweep before 0.32 (4966);
routes have ``labels``, which reach templates only, since 0.34 (5328). Entries expire after twice
``repeat_interval`` since 0.25 (2982). Since 0.31 the age of an entry is taken at the tick of the
flush, not some microseconds later (4864): the same here. 0.28 and later remember mute state per
group, which decides nothing.
"""

from pipelines.aiops.alerting.config import Silence
from pipelines.aiops.alerting.replay.model import Deployed, HeldAlerts, Timing
from pipelines.aiops.alerting.replay.outcome import STATUSES
from pipelines.aiops.alerting.replay.run import Replay, replay, replay_files

__all__ = [
    "STATUSES", "Deployed", "HeldAlerts", "Replay", "Silence", "Timing", "replay", "replay_files",
]  # fmt: skip
