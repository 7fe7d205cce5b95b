"""Guards in plain Python: second by second, what each of them hears."""

from pipelines.aiops.alerting.config import SECOND, interval_of, matches
from pipelines.aiops.alerting.config.model import stretches
from pipelines.aiops.alerting.replay import guard_labels, still_labels


class Hearing:
    """What guards make of alerts (series, start, end), which are united already; seconds.

    Attributes
    ----------
    labels, alerts
        Those of the guards, after all others.
    """

    def __init__(self, rules, labels, alerts, last):
        self.labels, self.alerts = list(labels), []
        self.hidden, self.last = alerts, last
        for rule in rules:
            if getattr(rule, "guard", None) is not None:
                self.hear(rule, labels)

    def hides(self, rule, now):
        if rule.family == "demotion":
            return True
        spans = stretches(interval_of(rule).ranges, 0, 3 * self.last * SECOND)
        return any(a <= now * SECOND < b for a, b in spans)

    def hear(self, rule, labels):
        hours = [self.hides(rule, now) for now in range(self.last)]
        mine = [each for each in self.hidden if matches(rule.matchers, labels[each[0]])]
        counted = {}
        for series, start, _ in mine:
            if start < self.last and hours[start]:
                by = tuple((n, labels[series].get(n, "")) for n in rule.guard.by if n == "host")
                counted.setdefault(by, []).append(start)
        for by, starts in sorted(counted.items()):
            window = rule.guard.window_seconds
            loud = [
                sum(now - window < start <= now for start in starts) > rule.guard.max_count
                for now in range(self.last)
            ]
            self.add({**{n: v for n, v in by if v}, **guard_labels(rule)}, loud)
        if rule.guard.max_seconds is not None:
            alike = {}
            for series, start, end in mine:
                told = still_labels(rule, labels[series])
                alike.setdefault(tuple(sorted(told.items())), []).append((start, end))
            for told, spans in sorted(alike.items()):
                since, loud = None, []
                for now in range(self.last):
                    fires = hours[now] and any(a <= now < b for a, b in spans)
                    since = (now if since is None else since) if fires else None
                    loud.append(fires and now - since >= rule.guard.max_seconds)
                self.add(dict(told), loud)

    def add(self, told, loud):
        if not any(loud):
            return
        series = len(self.labels)
        self.labels.append(told)
        edges = [n for n in range(len(loud) + 1) if ([*loud, False])[n] != ([False, *loud])[n]]
        self.alerts += [(series, a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
