"""Look for the answer to a question that was asked already.

An answer that comes before Airflow's scheduler has read that the asking process ended makes the
scheduler believe that the task died (seen with Airflow 3.3.2: `process_executor_events` finds it
queued again without having it). The task's one retry must not ask again then: asking deletes the
answer. Only a trigger may read answers, so the retry waits for the old one with this one.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.triggers.base import TriggerEvent

SETTLE_SECONDS = 15.0
"""Time the scheduler has to notice that the retry's own process has ended."""


class AnsweredTrigger(HITLTrigger):
    """Fire with the answer that a question has or gets, but never at once."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Name this class instead of its parent."""
        _, arguments = super().serialize()
        return f"{__name__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Let the scheduler catch up, then do as the parent."""
        await asyncio.sleep(SETTLE_SECONDS)
        async for event in super().run():
            yield event
            return
