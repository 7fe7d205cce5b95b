"""Reading logs of any program: time stamps, levels and messages are found, not configured.

``lines`` gives a file's lines within bounds, ``stamps`` finds when, ``headers`` finds level,
program and message, ``messages`` keeps stack traces with their message, ``rows`` masks personal
data and makes rows of the contract's table ``logs``. All works on Arrow arrays; nothing in Python
runs per line but where a message has several.
"""

from pipelines.aiops.logs.reading.messages import Messages, messages_of
from pipelines.aiops.logs.reading.rows import LogColumns, log_rows

__all__ = ["LogColumns", "Messages", "log_rows", "messages_of"]
