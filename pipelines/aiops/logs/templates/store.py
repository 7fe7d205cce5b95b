"""Templates that are known: their ids live on when a template generalises or two become one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipelines.aiops.logs.templates.variables import VARIABLE
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_text

FORMAT = 1


def id_of(key: str) -> str:
    """Return the id that a template gets at birth, from nothing but its content.

    Parameters
    ----------
    key : str
        The template's key.

    Returns
    -------
    str
        ``T`` and the first 12 hex digits of the key's SHA-256.
    """
    return "T" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True)
class Template:
    """One kind of message.

    Attributes
    ----------
    id : str
        Given at birth from the content then; kept for ever (see :class:`TemplateStore`).
    key : str
        Constant text with ``VARIABLE`` in each slot.
    kinds : tuple of str
        Kind of data in each slot (:data:`~pipelines.aiops.logs.templates.variables.KINDS`), as far
        as seen in a sample of the lines.
    count : int
        Lines seen: in this run for a run's templates, ever for the store's.
    shown : str
        The key with what all its lines have had alike so far in place of variables: a unit, a name
        with a figure. Empty: as the key.
    """

    id: str
    key: str
    kinds: tuple[str, ...] = ()
    count: int = 0
    shown: str = ""

    @property
    def text(self) -> str:
        """The template as people write it, with ``<*>`` for each variable."""
        return (self.shown or self.key).replace(VARIABLE, "<*>")

    @property
    def typed(self) -> str:
        """The template with each variable's kind, as in ``took <duration>``."""
        parts = self.key.split(VARIABLE)
        kinds = self.kinds or ("*",) * (len(parts) - 1)
        return parts[0] + "".join(f"<{k}>{p}" for k, p in zip(kinds, parts[1:], strict=True))


@dataclass(frozen=True)
class TemplateStore:
    """Everything that has to be kept between runs.

    Attributes
    ----------
    templates : mapping of str to Template
        By id.
    keys : mapping of str to str
        For each key ever mined (before words were generalised) the id of its template: the evidence
        on which words vary, so that mining in batches equals mining at once.
    aliases : mapping of str to str
        Ids that were given up because their template turned out to be another's; to the id kept.
    """

    templates: Mapping[str, Template] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def current(self, template_id: str) -> str:
        """Return the id by which a template goes today.

        Parameters
        ----------
        template_id : str
            An id that it has or had.

        Returns
        -------
        str
        """
        while template_id in self.aliases:
            template_id = self.aliases[template_id]
        return template_id

    def save(self, path: Path) -> None:
        """Write the store as JSON, whole or not at all; equal stores give equal files.

        Parameters
        ----------
        path : Path
        """
        templates = {
            t.id: {"key": t.key, "kinds": list(t.kinds), "count": t.count, "shown": t.shown}
            for t in sorted(self.templates.values(), key=lambda t: t.id)
        }
        content = {
            "format": FORMAT,
            "templates": templates,
            "keys": dict(sorted(self.keys.items())),
            "aliases": dict(sorted(self.aliases.items())),
        }
        write_text(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> TemplateStore:
        """Read a store that `save` wrote.

        Parameters
        ----------
        path : Path

        Returns
        -------
        TemplateStore

        Raises
        ------
        SignalboxError
            If there is no such file, or it isn't a store of this format.
        """
        try:
            return cls._parsed(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise SignalboxError(
                f"{path}: no such file; mine once without known templates"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignalboxError(
                f"{path}: not a template store of format {FORMAT} ({error}); restore the file, or "
                "remove it to begin anew (templates then get the ids of their present content)"
            ) from error

    @classmethod
    def _parsed(cls, content: dict[str, Any]) -> TemplateStore:
        if content["format"] != FORMAT:
            raise ValueError(f"format is {content['format']!r}")
        templates = {
            name: Template(
                name,
                str(t["key"]),
                tuple(map(str, t["kinds"])),
                int(t["count"]),
                str(t.get("shown", "")),
            )
            for name, t in content["templates"].items()
        }
        keys = {str(k): str(v) for k, v in content["keys"].items()}
        aliases = {str(k): str(v) for k, v in content["aliases"].items()}
        if unknown := (set(keys.values()) | set(aliases.values())) - set(templates) - set(aliases):
            raise ValueError(f"no template {sorted(unknown)[0]}")
        return cls(templates, keys, aliases)


def _survivor(ids: Iterable[str], store: TemplateStore) -> str:
    # The one with most lines is the one that people know; the id breaks ties.
    return min(ids, key=lambda i: (-store.templates[i].count, i))


def _fresh(key: str, *taken: Mapping[str, Any]) -> str:
    name, salt = id_of(key), 0
    while any(name in ids for ids in taken):
        salt += 1
        name = id_of(f"{key}\n{salt}")
    return name


def registered(
    store: TemplateStore, groups: Mapping[str, Iterable[str]], shown: Mapping[str, str]
) -> TemplateStore:
    """Give every group of keys an id.

    Parameters
    ----------
    store : TemplateStore
        What was known.
    groups : mapping of str to iterable of str
        General key → keys of the group. A group that holds known keys keeps their id (the one with
        most lines if they had several; the others become aliases).
    shown : mapping of str to str
        General key → what is shown of it.

    Returns
    -------
    TemplateStore
        With the groups' templates (counts as they were) and the id of each of their keys.
    """
    templates, aliases = dict(store.templates), dict(store.aliases)
    keys = dict(store.keys)
    for general in sorted(groups):
        members = list(groups[general])
        known = {store.current(store.keys[m]) for m in members if m in store.keys}
        if known:
            name = _survivor(known, store)
            for other in sorted(known - {name}):
                lost = templates.pop(other)
                aliases[other] = name
                templates[name] = replace(templates[name], count=templates[name].count + lost.count)
            templates[name] = replace(templates[name], key=general, shown=shown[general])
        else:
            name = _fresh(general, templates, aliases)
            templates[name] = Template(name, general, shown=shown[general])
        keys.update((m, name) for m in members)
    return TemplateStore(templates, keys, aliases)
