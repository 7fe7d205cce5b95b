"""Log templates: mined in vectorised passes, with ids that live on and variables with kinds.

How it works, in four steps:

1. ``mining``: in Arrow, words with a digit become a mark; a few thousand distinct shapes stay.
2. ``variables``: a shape becomes a key by rules about what a variable looks like in any log.
3. ``words``: keys that differ in one word become one template if the evidence says it varies.
4. ``store``: templates get ids from their content at birth, and keep them when they generalise.
"""

from pipelines.aiops.logs.templates.mining import (
    DEFAULT_SETTINGS,
    Mined,
    MinerSettings,
    mine,
)
from pipelines.aiops.logs.templates.store import Template, TemplateStore

__all__ = ["DEFAULT_SETTINGS", "Mined", "MinerSettings", "Template", "TemplateStore", "mine"]
