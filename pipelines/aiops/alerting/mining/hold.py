"""Family hold: noisy alert names, and the services of which each is known to page."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pipelines.aiops.alerting.config.model import QUIET_RECEIVER, Config, Receiver, Route
from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.episodes import MS, positions
from pipelines.aiops.alerting.mining.history import History, Mined, excluded_pairs, is_left_out
from pipelines.aiops.alerting.replay.model import LabelTable
from pipelines.aiops.alerting.replay.routing import route_series
from pipelines.aiops.alerting.replay.run import replay
from pipelines.aiops.alerting.rules import HoldRule, with_id
from pipelines.core.arrays import Bools, Ints, heads
from pipelines.core.errors import SignalboxError

ALPHA = 0.05
"""Chance that the bound beside a rule doesn't hold; the bound decides nothing."""

NO_SERVICE = "without the service label"
RARE_NAME = "name too rare"
RARE_SERVICE = "service too rare for its name"
EXCLUDED = "excluded by params"
NO_CHAT = "no chat to tell at once"
NOBODY = "nobody"
NOT_HELD = (RARE_NAME, NO_SERVICE, RARE_SERVICE, EXCLUDED, NO_CHAT)
"""Why alerts that page aren't held; of several reasons the first one counts."""


@dataclass(frozen=True)
class Noise:
    """How often an alert name pages today.

    Attributes
    ----------
    alertname : str
        The name.
    pages : int
        Alerts of this name that paged.
    services : int
        Services of which it paged.
    held_services, held_pages : int
        Of those what a rule holds.
    """

    alertname: str
    pages: int
    services: int
    held_services: int
    held_pages: int


@dataclass(frozen=True)
class MinedHold(Mined):
    """Rules that hold, and what they rest on.

    Attributes
    ----------
    pages : int
        Alerts that paged.
    noisy : tuple of Noise
        Noisy names, those that paged most often first.
    not_held : dict of str to int
        Reason of `NOT_HELD` → alerts that paged and no rule holds.
    """

    pages: int = 0
    noisy: tuple[Noise, ...] = ()
    not_held: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pager:
    """Where alerts end that wake somebody; in the order in which rules are listed."""

    receiver: str
    active: tuple[str, ...]
    mute: tuple[str, ...]


def mine_hold(history: History, chat_receiver: str | None = None, chat_url: str = "") -> MinedHold:
    """Find noisy alert names and the services of which they are known to page.

    A name is noisy that paged `HoldMining.min_pages` times in the history, however long it is. A
    service is known that it paged of `HoldMining.min_pages_of_service` times. What is rare, or new,
    passes.

    Parameters
    ----------
    history : History
        The alerts.
    chat_receiver : str or None
        Receiver that is told of held alerts at once; None: see `chat_of`.
    chat_url : str
        As `HoldRule.chat_url`.

    Returns
    -------
    MinedHold
        One rule for each noisy name and pager at which its alerts end today.

    Raises
    ------
    SignalboxError
        If there is no receiver `chat_receiver`, or it isn't one that tells without paging.
    """
    chat = chat_of(history.config, chat_receiver)
    if chat is None and history.params.hold.without_chat:
        chat = QUIET_RECEIVER
    pages = count_pages(history)
    reasons, held = _reasons(history, pages)
    storm = storm_services(history)
    rules: list[HoldRule] = []
    done = np.zeros(len(pages), bool)
    without_chat = np.zeros(len(pages), bool)
    for pager, series, in_chat in _of_name_and_pager(history, held):
        receiver = QUIET_RECEIVER if in_chat else chat
        if receiver is None:
            without_chat[series] = True
            continue
        told = "its chat of today" if in_chat else receiver if chat != QUIET_RECEIVER else NOBODY
        rule = _rule(history, pager, receiver, series, pages=int(pages[series].sum()), told=told)
        rule = with_id(rule.model_copy(update={"chat_url": chat_url, "services": storm}))
        if is_left_out(rule, history.params.exclude):
            reasons[series] = NOT_HELD.index(EXCLUDED)
        else:
            rules.append(rule)
            done[series] = True
    reasons[held & without_chat] = NOT_HELD.index(NO_CHAT)
    order = sorted(range(len(rules)), key=lambda at: (-rules[at].support.episodes, rules[at].id))
    return MinedHold(
        [rules[at] for at in order],
        len(_names_that_page(history, pages)),
        int(pages.sum()),
        _noisy(history, pages, done),
        {
            reason: int(pages[~done & (reasons == number)].sum())
            for number, reason in enumerate(NOT_HELD)
        },
    )


def storm_services(history: History) -> int:
    """Find on how many services at once an alert name begins in a storm, and not by chance.

    Parameters
    ----------
    history : History
        The alerts. In a large company some name begins on a few services within a minute all the
        time.

    Returns
    -------
    int
        The least number from `HoldMining.services` on that the history reaches on at most
        `HoldMining.max_storms_a_day`; what follows within `HoldMining.fresh_seconds` is the same
        storm.
    """
    params, episodes, services = history.params.hold, history.episodes, len(history.services)
    within, apart = (
        seconds * 1_000_000 // MS for seconds in (params.storm_seconds, params.fresh_seconds)
    )
    pair = history.pair[episodes.series]
    order = np.lexsort((episodes.start, pair))
    pair, start = pair[order], episodes.start[order]
    # Of one name on one service, what begins within that time is one beginning.
    new = heads(pair)
    new[1:] |= start[1:] - start[:-1] >= within
    new &= np.array([bool(text) for text in history.services], dtype=bool)[pair % services]
    name, start = pair[new] // services, start[new]
    order = np.lexsort((start, name))
    name, start = name[order], start[order]
    span = episodes.span + within + 1
    at = name * span + start
    count = np.arange(len(at)) + 1 - np.searchsorted(at, name * span + start - within, "right")
    most = params.max_storms_a_day * sum(window.days for window in history.windows)
    found = params.services
    while len(moments := np.sort(start[count >= found])) > most:
        if 1 + int((np.diff(moments) >= apart).sum()) <= most:
            break
        found += 1
    return found


def count_pages(history: History) -> Ints:
    """Count how many alerts of each series page with today's configuration.

    Parameters
    ----------
    history : History
        The alerts; each window is replayed by itself.

    Returns
    -------
    array of int64, shape (series,)
        However often an alert was reported or repeated, it counts once.
    """
    found = np.zeros(len(history.table), np.int64)
    for window in history.windows:
        part = history.frame.where(window.holds(history.frame.starts))
        if not len(part):
            continue
        done = replay(part, history.config, until=window.end, only_pages=True, table=history.table)
        first = done.alerts["first_page"].to_numpy()
        rows = np.flatnonzero(first >= 0)
        # Rows of one alert have the same first page; two alerts of a series never have.
        order = rows[np.lexsort((first[rows], part.series[rows]))]
        series, moment = part.series[order], first[order]
        new = np.ones(len(order), bool)
        new[1:] = (series[1:] != series[:-1]) | (moment[1:] != moment[:-1])
        found += np.bincount(series[new], minlength=len(found))
    return found


def chat_of(config: Config, chat_receiver: str | None = None) -> str | None:
    """Choose the receiver that is told of held alerts at once.

    Parameters
    ----------
    config : Config
        Today's configuration.
    chat_receiver : str or None
        Setting ``aiops.export_rules.chat_receiver``.

    Returns
    -------
    str or None
        `chat_receiver`; else the top route's receiver, or else the first one, if it has
        integrations and doesn't page. None if there is none.

    Raises
    ------
    SignalboxError
        If there is no receiver `chat_receiver`, it pages, or nobody is told through it.
    """
    told = [each.name for each in config.receivers if _tells_quietly(each)]
    if chat_receiver is not None:
        if chat_receiver not in told:
            raise SignalboxError(
                f"params.yaml: aiops.export_rules.chat_receiver: {chat_receiver!r} is no receiver "
                "of today's alertmanager.yml with integrations that doesn't page; name one of "
                f"{told}, or null"
            )
        return chat_receiver
    top = config.route.receiver
    return top if top in told else next(iter(told), None)


def _tells_quietly(receiver: Receiver) -> bool:
    return bool(receiver.integrations) and not receiver.pages


def _names_that_page(history: History, pages: Ints) -> Ints:
    return np.unique((history.pair // len(history.services))[pages > 0])


def _reasons(history: History, pages: Ints) -> tuple[Ints, Bools]:
    """Return for each series why it isn't held (position in `NOT_HELD`, -1), and whether it is."""
    params, services = history.params.hold, len(history.services)
    pair, name = history.pair, history.pair // services
    of_name = np.bincount(name, weights=pages, minlength=len(history.names))
    of_pair = np.bincount(pair, weights=pages, minlength=history.pairs)
    named = np.array([bool(text) for text in history.names], dtype=bool)
    served = np.array([bool(text) for text in history.services], dtype=bool)
    found = np.full(len(pair), -1, np.int64)
    # From the last reason to the first: the first one that holds stays.
    found[excluded_pairs(history, "hold")[pair]] = NOT_HELD.index(EXCLUDED)
    found[of_pair[pair] < params.min_pages_of_service] = NOT_HELD.index(RARE_SERVICE)
    found[~served[pair % services]] = NOT_HELD.index(NO_SERVICE)
    found[(of_name[name] < params.min_pages) | ~named[name]] = NOT_HELD.index(RARE_NAME)
    return found, found < 0


def _of_name_and_pager(history: History, held: Bools) -> Iterator[tuple[_Pager, Ints, bool]]:
    """Yield each pager with the held series of one name, and whether all end at a chat as well."""
    chosen = np.flatnonzero(held)
    if not len(chosen):
        return
    groups = route_series(
        history.config, LabelTable([history.table.labels[at] for at in chosen.tolist()])
    )
    in_chat = np.zeros(len(chosen), bool)
    at_pager: dict[_Pager, Bools] = {}
    for number, route in enumerate(groups.routes):
        ends = np.zeros(len(chosen), bool)
        ends[groups.members[groups.route[groups.member_of] == number]] = True
        receiver = history.config.receiver(route.receiver)
        if _tells_quietly(receiver):
            in_chat |= ends
        elif receiver.integrations and receiver.pages:
            pager = _pager_of(route)
            at_pager[pager] = at_pager.get(pager, np.zeros(len(chosen), bool)) | ends
    name = history.pair[chosen] // len(history.services)
    for pager in sorted(at_pager, key=lambda each: (each.receiver, each.active, each.mute)):
        at = np.flatnonzero(at_pager[pager])
        for number in np.unique(name[at]).tolist():
            mine = at[name[at] == number]
            yield pager, chosen[mine], bool(in_chat[mine].all())


def _pager_of(route: Route) -> _Pager:
    return _Pager(route.receiver, route.active, route.mute)


def _rule(
    history: History, pager: _Pager, chat: str, series: Ints, *, pages: int, told: str
) -> HoldRule:
    params, episodes = history.params.hold, history.episodes
    rows = positions(episodes, series)
    lasted = (episodes.end - episodes.start)[rows[episodes.ended[rows]]]
    wait = params.wait_seconds
    words = support.seconds_in_words
    short = int((lasted <= wait * 1_000_000 // MS).sum())
    bound = support.bound_of(
        f"share of its alerts that were over within {wait} s", short, len(lasted), alpha=ALPHA
    )
    services = len(np.unique(history.pair[series]))
    name = history.names[int(history.pair[series[0]]) // len(history.services)]
    return with_id(HoldRule(
        id="",
        matchers=history.matchers(series),
        service_label=history.service_label,
        receiver=pager.receiver,
        active=pager.active,
        mute=pager.mute,
        chat=chat,
        untold=told == NOBODY,
        wait_seconds=wait,
        again_seconds=params.again_seconds,
        fresh_seconds=params.fresh_seconds,
        names=params.names,
        instances=params.instances,
        services=params.services,
        storm_seconds=params.storm_seconds,
        rate_seconds=params.rate_seconds,
        usual_rates=params.usual_rates,
        rise=params.rise,
        window_seconds=params.window_seconds,
        sentence=(
            f"{name} paged {pager.receiver} {pages:,} times, of {_counted(services, 'service')}; "
            f"{bound.value:.0%} of its alerts were over within {words(wait)}. It tells {told} at "
            f"once, and pages if it lasts {words(wait)}, comes with others of its service or in a "
            f"storm, is back within {words(params.again_seconds)}, or comes far more often than is "
            "usual."
        ),
        support=support.support_of(episodes, rows),
        bound=bound,
        expires=support.expiry(history),
        team=history.team(series),
        examples=support.examples_of(history, rows, lambda i: _lasted(history, i)),
    ))  # fmt: skip


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)


def _lasted(history: History, row: int) -> str:
    episodes = history.episodes
    if not episodes.ended[row]:
        return "its end isn't known"
    seconds = int(episodes.end[row] - episodes.start[row]) * MS // 1_000_000
    return f"over after {support.seconds_in_words(seconds)}"


def _noisy(history: History, pages: Ints, done: Bools) -> tuple[Noise, ...]:
    """List the noisy names, those that paged most often first."""
    services = len(history.services)
    pair, held = history.pair, pages * done
    of_pair = np.bincount(pair, weights=pages, minlength=history.pairs).reshape(-1, services)
    held_of_pair = np.bincount(pair, weights=held, minlength=history.pairs).reshape(-1, services)
    of_name = of_pair.sum(axis=1)
    noisy = np.flatnonzero(of_name >= history.params.hold.min_pages)
    known = np.array([bool(text) for text in history.services], dtype=bool)
    found = [
        Noise(
            history.names[at],
            int(of_name[at]),
            int((of_pair[at, known] > 0).sum()),
            int((held_of_pair[at, known] > 0).sum()),
            int(held_of_pair[at].sum()),
        )
        for at in noisy.tolist()
        if history.names[at]
    ]
    return tuple(sorted(found, key=lambda each: (-each.pages, each.alertname)))
