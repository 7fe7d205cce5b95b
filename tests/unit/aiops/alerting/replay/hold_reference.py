"""The nine rules of a held alert's pages as PromQL says them, tick by tick, on label sets.

A vector is a dict from a label set (a frozenset of items, without the metric's name) to a value.
Nothing here looks ahead, or knows of intervals.
"""

import math
from collections import Counter

from pipelines.aiops.alerting.config import PAGE_NAME, matches, page_label


def label_set(labels):
    return frozenset((name, value) for name, value in labels.items() if value)


def by(names, labels):
    """The labels that ``by (...)`` or ``on (...)`` leaves."""
    return frozenset((name, value) for name, value in labels if name in names)


def and_(one, other, on=None):
    there = {key if on is None else by(on, key) for key in other}
    return {k: v for k, v in one.items() if (k if on is None else by(on, k)) in there}


def unless(one, other, on=None):
    there = {key if on is None else by(on, key) for key in other}
    return {k: v for k, v in one.items() if (k if on is None else by(on, k)) not in there}


def or_(*vectors):
    found = {}
    for vector in vectors:
        found = {**vector, **found}
    return found


def count_by(names, vector):
    return dict(Counter(by(names, key) for key in vector))


def where(vector, holds):
    return {key: value for key, value in vector.items() if holds(value)}


def each(vector, function):
    return {key: function(value) for key, value in vector.items()}


def label_replace(labels, target, value):
    return label_set({**dict(labels), target: value})


def named_alert(labels):
    return label_replace(labels, "alert", dict(labels).get("alertname", ""))


class Prometheus:
    """One server: its alerts (labels, start, end in seconds), its rules, and what they recorded."""

    def __init__(self, held, alerts, first, last):
        self.held, self.rule, self.step = held, held.rules[0], held.step_seconds
        self.alerts = [
            ({k: v for k, v in labels.items() if k not in held.external}, start, end)
            for labels, start, end in alerts
            if matches(held.added, labels)
        ]
        self.first = first // self.step * self.step
        self.last = last
        self.recorded = {}

    def firing(self, now):
        """``ALERTS{alertstate="firing"}``: what was there when it was evaluated last."""
        tick = math.floor(now / self.step) * self.step
        return {label_set(labels): 1 for labels, a, b in self.alerts if a <= tick < b}

    def record(self, name, now, vector):
        self.recorded[name, now] = vector

    def before(self, name, now):
        return self.recorded.get((name, now - self.step), {})

    def range(self, name, now, seconds):
        """Samples of (now - seconds, now] of each series, as counts."""
        found = Counter()
        tick = now // self.step * self.step
        while tick > now - seconds:
            found.update(self.recorded.get((name, tick), {}).keys())
            tick -= self.step
        return dict(found)

    def run(self):
        """(labels, start, end) of each page's firing, with external labels, in order."""
        pages, running = [], {}
        for now in range(self.first, self.last + 2 * self.step, self.step):
            there = self.evaluate(now) if now <= self.last else {}
            for key in [key for key in running if key not in there]:
                pages.append((key, running.pop(key), now))
            for key in there:
                running.setdefault(key, now)
        outside = self.held.external
        return [({**outside, **dict(key), "alertname": PAGE_NAME}, a, b) for key, a, b in pages]

    def evaluate(self, now):
        rule, step = self.rule, self.step
        on_service, on_name = {rule.service_label}, {"alert", rule.service_label}
        on_pager = {rule.service_label, "pager"}
        whole = {"alert", rule.service_label, "pager"}

        held = {}
        for one in self.held.rules:
            for key in self.firing(now):
                if matches(one.matchers, dict(key)):
                    labelled = label_replace(named_alert(key), "pager", page_label(one))
                    held[by(whole, labelled)] = 1
        self.record("held", now, held)

        since = or_(and_(self.before("since", now), held), each(held, lambda _: now))
        self.record("since", now, since)

        self.record("started", now, where(since, lambda value: value == now))

        named = {
            key: 1 for key in self.firing(now)
            if dict(key).get("alertname") != PAGE_NAME and dict(key).get(rule.service_label)
        }  # fmt: skip
        begun = unless(named, self.firing(now - rule.fresh_seconds))
        fresh = Counter(by(on_name, named_alert(key)) for key in begun)
        enough = where(fresh, lambda value: value >= rule.instances)

        company = where(count_by(on_service, fresh), lambda value: value >= rule.names)
        self.record("fresh", now, dict(fresh))
        past = -(-rule.storm_seconds // step) * step
        began = unless(fresh, self.recorded.get(("fresh", now - past), {}))
        storm = where(count_by({"alert"}, began), lambda value: value >= rule.services)
        lately = and_(and_(held, fresh, on_name), storm, ())
        several = or_(and_(held, company, on_service), and_(held, enough, on_name), lately)

        lasting = where(since, lambda value: now - value >= rule.wait_seconds - step)
        begins = self.range("started", now, rule.again_seconds - step / 2)
        twice = where(begins, lambda value: value >= 2)
        rates, rise = rule.usual_rates, rule.rise
        late = self.range("started", now, rule.rate_seconds - step / 2)
        near, far = (
            self.range("started", now, rule.rate_seconds * times - step / 2)
            for times in (rates, 2 * rates)
        )
        risen = {k: 1 for k, n in late.items() if n * rates >= rise * (rates + far[k] - near[k])}
        past = now - rule.rate_seconds * (2 * rates - 1)
        oldest = self.range("started", past, rule.rate_seconds - step / 2)
        risen = and_(risen, oldest, ())
        due = or_(several, and_(held, lasting), and_(held, twice), and_(held, risen))

        told_before, onset_before = self.before("told", now), self.before("onset", now)
        told_2 = where(told_before, lambda value: value == 2)
        within = where(onset_before, lambda value: now - value < rule.window_seconds)
        new = or_(
            unless(count_by(on_pager, unless(due, told_before)), within, on_pager),
            where(
                count_by(on_pager, unless(several, told_2)),
                lambda value: value >= rule.names + 1,
            ),
            count_by(on_pager, unless(and_(several, enough, on_name), told_2)),
        )
        still = or_(within, and_(onset_before, and_(told_before, due), on_pager))
        onset = or_(each(new, lambda _: now), and_(onset_before, still, on_pager))
        self.record("onset", now, onset)

        at_once = where(onset, lambda value: value == now)
        told = or_(
            and_(each(several, lambda _: 2), at_once, on_pager),
            and_(each(due, lambda _: 1), at_once, on_pager),
            and_(told_2, several),
            and_(each(told_before, lambda _: 1), due),
        )
        self.record("told", now, told)

        young = where(onset, lambda value: now - value < 300)
        paging = or_(young, and_(onset, told, on_pager))
        return {label_replace(key, "since", str(value)): 1 for key, value in paging.items()}
