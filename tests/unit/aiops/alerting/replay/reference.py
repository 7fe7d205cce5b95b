"""A slow Alertmanager in plain Python: one loop over time, sets and dicts, nothing clever.

It follows Alertmanager's Go code as it stands, tick by tick; the fast replay is held equal to it.
"""

from dataclasses import dataclass, field

from pipelines.aiops.alerting.config import Config, Route, matches, routes_of
from pipelines.aiops.alerting.config.model import stretches
from pipelines.aiops.alerting.replay.model import timing_of


@dataclass
class Entry:
    """Made by a flush at `time`, written when the notification is answered, collected later."""

    owner: tuple
    time: int
    written: int
    collected: int
    firing: set[int]
    resolved: set[int]


@dataclass
class Group:
    """One aggregation group while it lives: what its store holds, and its next tick."""

    next_tick: int
    store: dict[int, tuple[int, int]] = field(default_factory=dict)
    flushed: int | None = None


@dataclass
class Sent:
    time: int
    route: tuple[int, ...]
    labels: tuple
    sends: bool
    firing: frozenset[int]
    resolved: frozenset[int]


def episodes(rows):
    """Rows (series, start, end) of a series that touch or overlap are one."""
    found = []
    for series, start, end in sorted(rows):
        if found and found[-1][0] == series and start <= found[-1][2]:
            found[-1] = (series, found[-1][1], max(end, found[-1][2]))
        else:
            found.append((series, start, end))
    return found


def depth_first(route, path=()):
    """Paths in the order in which alerts reach routes: children before their parent."""
    for position, child in enumerate(route.routes):
        yield from depth_first(child, (*path, position))
    yield path


class Reference:
    def __init__(self, config: Config, labels, rows, until, timing=None, silences=()):
        self.config, self.labels, self.until = config, labels, until
        self.timing, self.silences = timing or timing_of(config.process), silences
        self.alerts = episodes(rows)
        self.nodes = dict(config.route.walk())
        self.order = {path: at for at, path in enumerate(depth_first(config.route))}
        low = min((a[1] for a in self.alerts), default=0) - 10**11
        self.intervals = {
            one.name: stretches(one.ranges, low, until + 10**11) for one in config.time_intervals
        }

    def in_times(self, names, now):
        return any(a <= now < b for name in names for a, b in self.intervals[name])

    def inhibited(self, series, now):
        mine = self.labels[series]
        for rule in self.config.inhibit_rules:
            if not matches(rule.target, mine):
                continue
            two_sided = matches(rule.source, mine)
            for other, start, end in self.alerts:
                theirs = self.labels[other]
                if not (start <= now < end) or not matches(rule.source, theirs):
                    continue
                if two_sided and matches(rule.target, theirs):
                    continue
                if all(theirs.get(name, "") == mine.get(name, "") for name in rule.equal):
                    return True
        return False

    def silenced(self, series, now):
        return any(
            each.starts <= now < each.ends and matches(each.matchers, self.labels[series])
            for each in self.silences
        )

    def keys_of(self, series):
        """(route path, group labels) of every group the series is in."""
        labels = self.labels[series]
        for path in routes_of(self.config.route, labels):
            by = self.nodes[path].group_by
            names = sorted(labels) if by == ("...",) else by
            yield path, tuple((n, labels.get(n, "")) for n in names if labels.get(n, ""))

    def log_key(self, key, sends):
        """Key of the log: matchers on the route's way, receiver and integration, group labels."""
        path, labels = key
        nodes = [self.nodes[path[:depth]] for depth in range(len(path) + 1)]
        way = tuple(tuple(sorted((m.label, m.value, m.op) for m in n.matchers)) for n in nodes)
        return way, nodes[-1].receiver, sends, tuple(sorted(labels))

    def run(self):
        groups: dict = {}
        # Everything ever written, in order; of what is written at a time, the last counts.
        self.log: dict[tuple, list[Entry]] = {}
        self.sent: list[Sent] = []
        arrivals = sorted((start, series, end) for series, start, end in self.alerts)
        position = 0
        sweep = self.timing.sweep
        next_sweep = None
        while True:
            times = [group.next_tick for group in groups.values()]
            if position < len(arrivals):
                times.append(arrivals[position][0])
            if next_sweep is not None and groups and sweep:
                times.append(next_sweep)
            now = min(times, default=self.until + 1)
            if now > self.until:
                return self.sent
            while position < len(arrivals) and arrivals[position][0] == now:
                start, series, end = arrivals[position]
                for key in self.keys_of(series):
                    wait = self.nodes[key[0]].group_wait
                    group = groups.setdefault(key, Group(start + wait))
                    group.store[series] = (start, end)
                position += 1
            if sweep and next_sweep == now:
                for key in [key for key, group in groups.items() if not group.store]:
                    del groups[key]
            for key in sorted(groups, key=lambda key: self.order[key[0]]):
                group = groups[key]
                if group.next_tick == now:
                    self.flush(key, group, now)
                    group.next_tick += self.nodes[key[0]].group_interval
                    if not sweep and not group.store:
                        del groups[key]
            at = self.timing.sweep_at
            next_sweep = sweep and ((now - at) // sweep + 1) * sweep + at

    def flush(self, key, group, now):
        if not group.store:
            return
        resolved = {series for series, (_, end) in group.store.items() if end <= now}
        firing = set(group.store) - resolved
        route = self.nodes[key[0]]
        self.stages(key, route, firing, resolved, now)
        for series in resolved:
            del group.store[series]

    def stages(self, key, route: Route, firing, resolved, now):
        def passes(series):
            return not self.inhibited(series, now) and not self.silenced(series, now)

        firing, resolved = set(filter(passes, firing)), set(filter(passes, resolved))
        if not firing and not resolved:
            return
        if route.active and not self.in_times(route.active, now):
            return
        if self.in_times(route.mute, now):
            return
        receiver = self.config.receiver(route.receiver)
        for sends in sorted({each.send_resolved for each in receiver.integrations}):
            self.dedup(key, route, sends, firing, resolved, now)

    def collected_at(self, written, route):
        """When garbage collection takes an entry: the first run at or after it expires."""
        end = written + min(self.timing.retention, 2 * route.repeat_interval)
        sweep, at = self.timing.log_sweep, self.timing.log_sweep_at
        return -(-(end - at) // sweep) * sweep + at

    def query(self, key, sends, now):
        """The entry as a flush finds it; a group always finds what it wrote itself."""
        found = None
        for entry in self.log.get(self.log_key(key, sends), ()):
            if (entry.written <= now or entry.owner == key) and (
                found is None or entry.written >= found.written
            ):
                found = entry
        return None if found is None or found.collected <= now else found

    def repeats(self, entry, route, now):
        """Whether the entry is older than repeat_interval: every flush since came a bit late."""
        interval, passed = route.group_interval, now - entry.time
        tick = now + passed // interval * self.timing.drift
        return entry.written < tick - route.repeat_interval

    def dedup(self, key, route, sends, firing, resolved, now):
        entry = self.query(key, sends, now)
        if entry is None:
            needs = bool(firing)
        elif not firing <= entry.firing:
            needs = True
        elif not firing:
            needs = bool(entry.firing)
        elif sends and not resolved <= entry.resolved:
            needs = True
        else:
            needs = self.repeats(entry, route, now)
        if not needs:
            return
        sent = firing or sends
        written = now + (min(self.timing.answer, route.group_interval - 1) if sent else 0)
        collected = self.collected_at(written, route)
        made = Entry(key, now, written, collected, set(firing), set(resolved))
        self.log.setdefault(self.log_key(key, sends), []).append(made)
        if sent:
            named = resolved if sends else ()
            self.sent.append(Sent(now, key[0], key[1], sends, frozenset(firing), frozenset(named)))
