"""What a task shows about its stages in the Airflow UI."""

from __future__ import annotations

from collections.abc import Sequence

from dvc_airflow.graph import Stage


def task_doc(stages: Sequence[Stage]) -> str:
    """Markdown for a task: description, command, what goes in, what comes out."""
    return "\n\n---\n\n".join(_stage_doc(stage) for stage in stages)


def _stage_doc(stage: Stage) -> str:
    commands = [stage.cmd] if isinstance(stage.cmd, str) else list(stage.cmd)
    parts = [f"### `{stage.address}`"]
    if stage.desc:
        parts.append(stage.desc.strip())
    notes = [
        note
        for flag, note in (
            (stage.frozen, "frozen: never runs again, its outputs are taken as they are"),
            (stage.always_changed, "always changed: runs every time"),
        )
        if flag
    ]
    parts += [f"*{note}*" for note in notes]
    parts.append("```sh\n" + "\n".join(c.rstrip() for c in commands) + "\n```")
    parts += _list("Reads", [dep.path for dep in stage.deps])
    parts += _list(
        "Parameters",
        [f"{file}: {', '.join(keys) or 'everything'}" for file, keys in stage.params.items()],
    )
    parts += _list("Makes", [_out(out.path, out.kind, out.desc) for out in stage.outs])
    parts.append(f"Defined in `{stage.file}`, line {stage.line}.")
    return "\n\n".join(parts)


def _out(path: str, kind: str, desc: str | None) -> str:
    extra = "" if kind == "out" else f" ({kind})"
    return f"{path}{extra}" + (f": {desc}" if desc else "")


def _list(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [f"**{title}**\n" + "\n".join(f"- `{item}`" for item in items)]


def tooltip(stages: Sequence[Stage]) -> str:
    """One line about a task."""
    described = [stage.desc.strip().splitlines()[0] for stage in stages if stage.desc]
    return described[0] if len(stages) == 1 and described else ", ".join(s.name for s in stages)
