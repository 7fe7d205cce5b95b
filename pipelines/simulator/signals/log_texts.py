"""What programs write: templates by kind of service, with ``{variables}``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A message that a program can write.

    Attributes
    ----------
    weight
        How often, relative to others of its service.
    follows
        Whether it comes with the traffic, rather than at any time.
    """

    severity: str
    weight: float
    text: str
    follows: bool = True


_WEB = (
    Text("info", 30, '{ip} "{verb} {path}/{n} HTTP/1.1" {ok} {bytes} {ms}ms'),
    Text("info", 10, "request {id} done in {ms} ms, {n} rows"),
    Text("info", 6, "user {user} signed in from {ip}"),
    Text("info", 5, "call to {peer} took {ms} ms, attempt 1"),
    Text("debug", 5, "cache miss for key {noun}:{n}"),
    Text("info", 4, "accepted {noun} {id} of customer {user}"),
    Text("info", 3, "published event {noun}.changed id={id} partition={few}"),
    Text("info", 3, "feature {noun}-fast is on for user {user}"),
    Text("warn", 2, "slow request {id}: {ms} ms for {path}"),
    Text("warn", 1.5, "retry {few} of 3 for {peer}: connection reset by peer"),
    Text("warn", 1, "rate limit reached for client {ip}"),
    Text("error", 0.8, "request {id} failed code=E{code} user={user}"),
    Text("warn", 0.6, "token of user {user} expired {n} s ago"),
    Text("info", 0.5, "session {id} closed after {n} s"),
    Text("error", 0.3, "validation failed for field {noun}: value too long ({n})"),
)
_WORK = (
    Text("info", 25, "processed message {id} from {peer} in {ms} ms"),
    Text("info", 10, "batch of {n} messages committed at offset {big}"),
    Text("debug", 6, "polled {few} partitions, {n} records"),
    Text("info", 4, "wrote {n} rows to table {noun}s"),
    Text("info", 3, "assigned partition {few} of topic {noun}-events"),
    Text("warn", 1.5, "message {id} redelivered, attempt {few}"),
    Text("warn", 1, "handler took {ms} ms, more than its budget"),
    Text("error", 0.8, "message {id} rejected code=E{code}"),
    Text("info", 0.6, "checkpoint {big} stored"),
    Text("warn", 0.4, "duplicate {noun} {id} ignored"),
    Text("info", 0.4, "rebalance finished in {ms} ms"),
)
_RUN = (
    Text("info", 12, "step {noun} finished: {n} rows in {ms} ms"),
    Text("info", 6, "reading file {noun}-{n}.csv, {bytes} bytes"),
    Text("debug", 5, "chunk {n} of {big} done"),
    Text("warn", 1, "row {big} skipped: empty {noun}"),
    Text("info", 1, "loaded {n} records from {peer}"),
    Text("error", 0.2, "row {big} refused code=E{code}"),
    Text("info", 0.5, "temporary files removed: {n}"),
)
_DATABASE = (
    Text("info", 10, "connection received: host={ip} port={port}"),
    Text("info", 9, "connection authorized: user={noun}_app database={noun}"),
    Text("info", 8, "disconnection: session time: {ms} ms host={ip}"),
    Text("info", 5, "duration: {ms} ms  statement: SELECT * FROM {noun}s WHERE id = {n}"),
    Text("info", 3, "checkpoint starting: time", False),
    Text("info", 3, "checkpoint complete: wrote {n} buffers; write={ms} ms", False),
    Text("info", 2, 'automatic vacuum of table "{noun}s": removed {n} pages', False),
    Text("warn", 1, "process {port} still waiting for lock after {ms} ms"),
    Text("error", 0.5, 'duplicate key value violates unique constraint "{noun}_pkey"'),
    Text("error", 0.3, "canceling statement due to statement timeout"),
    Text("info", 0.5, "temporary file: size {bytes}"),
)
_CACHE = (
    Text("info", 6, "{n} changes in 300 seconds. Saving...", False),
    Text("info", 6, "Background saving started by pid {port}", False),
    Text("info", 6, "DB saved on disk in {ms} ms", False),
    Text("debug", 9, "client {ip} connected, {n} in total"),
    Text("debug", 6, "evicted {few} keys of {noun}"),
    Text("warn", 0.8, "client {ip} closed: output buffer limit"),
    Text("info", 1, "replica {few} is in sync at offset {big}"),
    Text("warn", 0.3, "slow command took {ms} ms"),
)
_QUEUE = (
    Text("info", 8, "segment {big} rolled for partition {few}"),
    Text("info", 6, "deleted {few} segments older than {n} h", False),
    Text("debug", 9, "fetch of {n} records from partition {few} in {ms} ms"),
    Text("info", 4, "group {noun}-workers rebalanced, generation {n}"),
    Text("info", 3, "client {ip} connected as {noun}-producer"),
    Text("warn", 0.6, "follower {few} out of the in-sync set for {ms} ms"),
    Text("warn", 0.5, "request queue is {n} long"),
)
_NODE = (
    Text("info", 8, "pod {noun}-{id} started in {ms} ms"),
    Text("info", 5, "image pulled in {ms} ms, {bytes} bytes"),
    Text("info", 5, "session opened for user deploy from {ip}"),
    Text("info", 4, "garbage collection freed {bytes} bytes", False),
    Text("warn", 0.7, "probe of pod {noun}-{id} failed: timeout after {ms} ms"),
    Text("warn", 0.3, "time adjusted by {ms} ms"),
)
TEXTS: dict[str, tuple[Text, ...]] = {
    "edge": _WEB, "api": _WEB, "worker": _WORK, "batch": _RUN, "database": _DATABASE,
    "cache": _CACHE, "queue": _QUEUE, "nodes": _NODE,
}  # fmt: skip

HEARTBEATS: tuple[str, ...] = (
    "heartbeat ok, uptime {big} s",
    "health check passed in {few} ms",
    "scheduler tick {big}, nothing due",
    "lease renewed for {few} minutes",
)

DEPLOYED = ("shutting down, {n} requests in flight", "starting version {version}",
            "configuration loaded, {n} keys", "ready after {ms} ms")  # fmt: skip

_JAVA = (
    "\njava.lang.{exception}: {peer} did not answer"
    "\n\tat com.example.{noun}.Client.call(Client.java:{few})"
    "\n\tat com.example.{noun}.Handler.handle(Handler.java:{few})"
    "\n\tat java.base/java.lang.Thread.run(Thread.java:833)"
)
_PYTHON = (
    "\nTraceback (most recent call last):"
    '\n  File "/app/{noun}/handler.py", line {few}, in handle'
    "\n    return client.get(key, timeout=budget)"
    "\nTimeoutError: {peer} did not answer"
)
TRACES = (_JAVA, _PYTHON)

BROKEN: dict[str, tuple[str, ...]] = {
    "crash": ("process exited with signal 11, restarting", "restart {few} of main process"),
    "memory_leak": ("garbage collection took {ms} ms, heap {few}% full",
                    "OutOfMemoryError: cannot allocate {bytes} bytes"),
    "bad_deployment": ("unhandled exception while serving {path}", "request {id} failed code=E500"),
    "bad_configuration": ("cannot resolve host {noun}.invalid", "option {noun}_url is not set"),
    "overload": ("request {id} dropped: queue of {n} is full",
                 "worker pool exhausted, {n} waiting"),
    "database_overload": ("remaining connection slots are reserved",
                          "process {port} still waiting for lock after {ms} ms"),
    "replication_break": ("requested segment {big} has already been removed",
                          "replica stopped streaming at {big}"),
    "disk_full": ("could not write to file: No space left on device",
                  "could not extend file for {noun}s: wrote {n} of 8192 bytes"),
    "backlog": ("consumer is {big} messages behind", "poll took {ms} ms, leaving the group"),
    "cache_lost": ("Loading dataset in memory, {n} keys", "connection refused by replica {few}"),
    "certificate_expired": ("TLS handshake with {ip} failed: certificate has expired",),
    "batch_broken": ("step {noun} failed: unexpected column {few}", "run aborted after {n} rows"),
    "host_lost": ("node became NotReady: no status for {n} s", "evicting pod {noun}-{id}"),
    "looked_like_noise": ("operation {id} failed after {ms} ms", "still degraded after {n} s"),
}  # fmt: skip
"""Errors of a service that is itself broken, by kind of fault."""

PASSED_ON = (
    "call to {peer} failed after {ms} ms: deadline exceeded",
    "circuit breaker for {peer} is open",
    "giving up on {id} after 3 attempts",
)
"""Errors of services that need the broken one; {peer} is that."""

NEW = (
    "invariant broken: {a} without {b} for {{n}}", "{a} store refused {b} {{id}}: state unknown",
    "unexpected {a} of type {b} in reply from {{peer}}",
    "{a} ledger and {b} index disagree by {{n}}",
    "fallback for {a} used, {b} is stale since {{n}} s", "{a} shard moved while {b} was locked",
)  # fmt: skip
"""Messages that nobody has seen before; {a} and {b} are words of the moment."""
