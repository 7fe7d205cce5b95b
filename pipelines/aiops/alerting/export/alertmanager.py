"""Merge rules into the user's ``alertmanager.yml``.

What the rules mean is `apply_rules`'s business; here its result is compared with the tree that the
file gives, and what is new in it is written into the text at the same position. The merged text is
read back and must mean what `apply_rules` said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipelines.aiops.alerting.config import (
    CURRENT,
    PAGE_NAME,
    QUIET_RECEIVER,
    Config,
    Process,
    Route,
    apply_rules,
    parse_config,
    value_matches,
    with_pagers,
)
from pipelines.aiops.alerting.export.config_tree import (
    Tree,
    flow,
    lines,
    route_tree,
    without_origin,
)
from pipelines.aiops.alerting.export.spelling import re2_problem
from pipelines.aiops.alerting.export.yaml_edit import (
    Document,
    Edit,
    Piece,
    UnmergeableError,
    add_items,
    add_key,
    apply,
    fill_null,
    one_line,
    pair,
    read,
    remove,
    start,
)
from pipelines.aiops.alerting.rules import Rule
from pipelines.core.errors import SignalboxError


@dataclass
class MergedConfig:
    """An ``alertmanager.yml`` after the merge.

    Attributes
    ----------
    original : str
        The text without anything of ours.
    text : str
        The text with the rules in it.
    placed : dict of str to list of str
        Rule id → keys of the file that it went to.
    refused : dict of str to str
        Rule id → why it isn't in the text.
    """

    original: str
    text: str
    placed: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class _RefusedError(Exception):
    def __init__(self, rule: str, why: str) -> None:
        super().__init__(why)
        self.rule, self.why = rule, why


def merge_config(
    text: str,
    name: str,
    rules: Sequence[Rule],
    paging_receivers: Sequence[str] | None = None,
    process: Process = CURRENT,
    *,
    apart: Sequence[str] = (),
) -> MergedConfig:
    """Merge rules into the text of a configuration.

    Parameters
    ----------
    text : str
        The user's; what an earlier merge put in is taken out first.
    name : str
        The file's name, for messages.
    rules : sequence of Rule
        Rules that don't concern Alertmanager change nothing.
    paging_receivers : sequence of str or None
        As for `with_pagers`; None: nothing is known of who pages.
    process : Process
        The Alertmanager that reads the text.
    apart : sequence of str
        As for `apply_rules`.

    Returns
    -------
    MergedConfig
        Its text, read back, means what `apply_rules` says, and the merge can be undone to the byte.

    Raises
    ------
    SignalboxError
        If the text isn't a configuration that we can read; nothing is guessed about it.
    """
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    original = remove(text.removeprefix(bom), name)
    config = parse_config(original, name, process)
    if paging_receivers is not None:
        config = with_pagers(config, paging_receivers)
    refused = {rule.id: why for rule in rules if (why := problem(rule))}
    left = [rule for rule in rules if rule.id not in refused]
    while True:
        try:
            merged, placed = _merge(original, name, config, left, apart)
            break
        except _RefusedError as error:
            refused[error.rule] = error.why
            left = [rule for rule in left if rule.id != error.rule]
    _check(merged, original, name, config, left, apart=apart)
    return MergedConfig(bom + original, bom + merged, placed, refused)


def problem(rule: Rule) -> str:
    """Return why Alertmanager can't take a rule.

    Parameters
    ----------
    rule : Rule
        Of any family.

    Returns
    -------
    str
        The reason; empty if Alertmanager can take it.
    """
    for matcher in rule.matchers:
        wrong = re2_problem(matcher.value) if matcher.op in ("=~", "!~") else ""
        if wrong:
            return f"matcher on {matcher.label}: {wrong}"
    if not rule.matchers or all(value_matches(matcher, "") for matcher in rule.matchers):
        return "its matchers would take alerts that lack every label it names"
    return ""


def _merge(
    text: str, name: str, config: Config, rules: Sequence[Rule], apart: Sequence[str]
) -> tuple[str, dict[str, list[str]]]:
    doc = read(text, name)
    wanted = apply_rules(config, rules, apart)
    work = _Work(doc, {rule.id: rule for rule in rules})
    route = pair(doc.root, "route")
    if route is None or not isinstance(route[1], MappingNode):
        raise SignalboxError(f"{name}: has no top route of its own; nothing can be put into it")
    work.route(route[1], config.route, wanted.route, "route")
    work.receivers(config, wanted)
    return apply(text, work.all_edits()), work.placed


@dataclass(frozen=True)
class _New:
    """Something to put in: what, whose, and what its mark says."""

    tree: Tree
    origin: str
    about: str

    def piece(self) -> Piece:
        return Piece(tuple(lines(self.tree)), flow(self.tree), self.about)


@dataclass
class _Work:
    """Edits as they are collected."""

    doc: Document
    rules: dict[str, Rule]
    edits: list[Edit] = field(default_factory=list)
    placed: dict[str, list[str]] = field(default_factory=dict)
    fresh: dict[tuple[int, str], list[_New]] = field(default_factory=dict)
    parents: dict[int, MappingNode] = field(default_factory=dict)

    def about(self, origin: str) -> str:
        rule = self.rules[origin]
        return f"{rule.id} (expires {rule.expires}): {one_line(rule.sentence)}"

    def route(self, node: Node, now: Route, wanted: Route, where: str) -> None:
        """Find what is new below a route; `node` is where it stands."""
        old = [child for child in wanted.routes if not child.origin]
        if wanted.routes == now.routes:
            return
        first = True
        for child in wanted.routes:
            if not child.origin:
                first = False
                continue
            origins = list(dict.fromkeys(below.origin for _, below in child.walk()))
            about = "; ".join(self.about(origin) for origin in origins)
            if any(matcher.value == PAGE_NAME for matcher in child.matchers):
                about = f"{child.origin} and others: pages for alerts that are held back"
            new = _New(route_tree(child, wanted), child.origin, about)
            self._item(node, "routes", new, first=bool(old) and first)
            for origin in origins:
                self.placed.setdefault(origin, []).append(f"{where}.routes")
        items = pair(node, "routes") if isinstance(node, MappingNode) else None
        for position, child in enumerate(old):
            below = _item_node(items, position)
            origin = _new_in(child)
            if below is None and origin:
                self._refuse(node, origin, "the routes come from an anchor or a merge key")
            if below is not None:
                self.route(below, now.routes[position], child, f"{where}.routes[{position}]")

    def receivers(self, now: Config, wanted: Config) -> None:
        """Add the receiver that tells nobody, if a rule needs it."""
        if {receiver.name for receiver in wanted.receivers} != {
            receiver.name for receiver in now.receivers
        }:
            origin = next(r.origin for _, r in wanted.route.walk() if r.receiver == QUIET_RECEIVER)
            new = _New({"name": QUIET_RECEIVER}, origin, "receiver that tells nobody")
            self._item(self.doc.root, "receivers", new)

    def _item(self, node: Node, key: str, new: _New, *, first: bool = False) -> None:
        if not isinstance(node, MappingNode):
            self._refuse(node, new.origin, "the route comes from an anchor")
            return
        try:
            self._add(node, key, new, first)
        except UnmergeableError as error:
            raise _RefusedError(new.origin, str(error)) from None

    def _add(self, node: MappingNode, key: str, new: _New, first: bool) -> None:
        found = pair(node, key)
        if found is None:
            self.parents[start(node)] = node
            self.fresh.setdefault((start(node), key), []).append(new)
            return
        name, value = found
        if start(value) < start(name):
            raise UnmergeableError(f"{self.doc.name}: {key} is an alias of another part")
        piece = new.piece()
        if isinstance(value, SequenceNode):
            if value.flow_style and not value.value and self._again(value):
                piece = replace(piece, flow=f", {piece.flow}")
            self.edits.append(add_items(self.doc, name, value, piece, first=first))
        elif isinstance(value, ScalarNode) and not value.value:
            self.edits.append(fill_null(self.doc, name, piece))
        else:
            raise UnmergeableError(f"{self.doc.name}: {key} isn't a list")

    def _again(self, value: SequenceNode) -> bool:
        return any(edit.at == start(value) + 1 for edit in self.edits)

    def all_edits(self) -> list[Edit]:
        """All edits, with one for each key that is new in its mapping."""
        fresh = []
        for (at, key), items in self.fresh.items():
            lines = [f"{key}:"]
            for new in items:
                lines += [f"  # {new.about}", *(f"  {line}" for line in new.piece().dashed())]
            short = flow([new.tree for new in items])
            about = "; ".join(new.about for new in items)
            marked = about if self.parents[at].flow_style else f"{len(items)} in a new list"
            piece = Piece(tuple(lines), f"{key}: {short}", marked)
            fresh.append(add_key(self.doc, self.parents[at], piece))
        return [*self.edits, *fresh]

    def _refuse(self, node: Node, origin: str, why: str) -> None:
        line = int(node.start_mark.line) + 1
        raise _RefusedError(origin, f"{self.doc.name}: line {line}: {why}")


def _item_node(items: tuple[Node, Node] | None, position: int) -> Node | None:
    """Node of an item that stands in the list itself."""
    if items is None or not isinstance(items[1], SequenceNode):
        return None
    if start(items[1]) < start(items[0]) or position >= len(items[1].value):
        return None
    found: Node = items[1].value[position]
    return found if start(found) >= start(items[1]) else None


def _new_in(route: Route) -> str:
    """Id of a rule that has something new below a route; empty if nothing is new."""
    return next((child.origin for _, child in route.walk() if child.origin), "")


def _check(
    text: str,
    original: str,
    name: str,
    config: Config,
    rules: Sequence[Rule],
    *,
    apart: Sequence[str],
) -> None:
    wanted = without_origin(apply_rules(config, rules, apart))
    if without_origin(parse_config(text, name, config.process)) != wanted:
        raise SignalboxError(
            f"{name}: the merged text would not mean what the rules were proven with; nothing was "
            "written; this is a defect of Signalbox, please report the file's structure"
        )
    if remove(text, name) != original:
        raise SignalboxError(f"{name}: the merge could not be taken back exactly; nothing written")
