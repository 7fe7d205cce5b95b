"""Databases, queues and other peers that send no spans: found by semantic-convention attributes.

Each is a *virtual node*, named ``database:postgresql/orders``, ``queue:kafka/paid`` or
``external:api.example.com``. Names of attributes are those of OpenTelemetry, old and new, and of
OpenTracing (Jaeger); https://opentelemetry.io/docs/specs/semconv/ lists both.
"""

DATABASE, QUEUE, EXTERNAL = "database:", "queue:", "external:"
USER = "user:"
"""Whoever calls a service from outside; the colon keeps it apart from a service named "user"."""
PREFIXES = {"database": DATABASE, "queue": QUEUE, "external": EXTERNAL, "user": USER}

_DB_SYSTEM = ("db.system.name", "db.system", "db.type")
_DB_NAME = ("db.namespace", "db.name", "db.instance")
_BUS_SYSTEM = ("messaging.system",)
_BUS_NAME = ("messaging.destination.template", "messaging.destination.name",
             "messaging.destination", "message_bus.destination",
             "messaging.source.name")  # fmt: skip
_BUS_TEMPORARY = ("messaging.destination.temporary", "messaging.destination.anonymous",
                  "messaging.temp_destination")  # fmt: skip
_BUS_OPERATION = ("messaging.operation.type", "messaging.operation")
_HOST = ("server.address", "net.peer.name", "peer.hostname", "http.host")
_URL = ("url.full", "http.url")
_IP = ("network.peer.address", "net.sock.peer.addr", "net.peer.ip", "peer.ipv4", "peer.ipv6",
       "peer.address")  # fmt: skip


def _first(keys: tuple[str, ...]) -> str:
    return ", ".join(f"nullif(attributes['{key}'], '')" for key in keys)


def _host_sql() -> str:
    """Host without port, in lower case; brackets of an IPv6 address are dropped."""
    url = f"regexp_extract(coalesce({_first(_URL)}), '^[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]+)', 1)"
    text = f"lower(coalesce({_first(_HOST)}, nullif({url}, ''), {_first(_IP)}))"
    return f"regexp_replace(regexp_replace({text}, '^.*@', ''), '^\\[?(.*?)\\]?(:[0-9]+)?$', '\\1')"


def peer_sql() -> str:
    """Build an expression for the virtual node that a span's attributes name.

    Returns
    -------
    str
        SQL over column ``attributes``; null if they name none.

    References
    ----------
    OpenTelemetry's semantic conventions: https://opentelemetry.io/docs/specs/semconv/
    """
    system, bus = f"coalesce({_first(_DB_SYSTEM)})", f"coalesce({_first(_BUS_SYSTEM)})"
    database = (
        f"'{DATABASE}' || lower({system}) || "
        f"coalesce('/' || coalesce({_first(_DB_NAME)}, {_host_sql()}), '')"
    )
    name = (
        f"CASE WHEN coalesce({_first(_BUS_TEMPORARY)}) = 'true' THEN '(temporary)' "
        f"ELSE coalesce({_first(_BUS_NAME)}) END"
    )
    queue = f"'{QUEUE}' || lower(coalesce({bus}, 'queue')) || coalesce('/' || {name}, '')"
    external = f"'{EXTERNAL}' || coalesce({_first(('peer.service',))}, {_host_sql()})"
    has_bus = f"{bus} IS NOT NULL OR attributes['message_bus.destination'] IS NOT NULL"
    return (
        f"CASE WHEN {system} IS NOT NULL THEN {database} "
        f"WHEN {has_bus} THEN {queue} ELSE {external} END"
    )


def kind_sql() -> str:
    """Build an expression for a span's kind as a number, see `pairing`.

    Conventions of 2024 gave spans that fetch messages the kind client, and some libraries give it
    to spans that send them: the operation says what they are.

    Returns
    -------
    str
        SQL over columns ``kind`` and ``attributes``.
    """
    operation = f"coalesce({_first(_BUS_OPERATION)})"
    return (
        "CASE kind WHEN 'server' THEN 1 WHEN 'client' THEN "
        f"CASE WHEN attributes['messaging.system'] IS NULL THEN 2 "
        f"WHEN {operation} IN ('receive', 'process', 'deliver') THEN 4 "
        f"WHEN {operation} IN ('publish', 'send', 'create') THEN 3 ELSE 2 END "
        "WHEN 'producer' THEN 3 WHEN 'consumer' THEN 4 ELSE 0 END::TINYINT"
    )


def kind_of(node: str) -> str:
    """Return the kind of a node.

    Parameters
    ----------
    node : str
        Its id.

    Returns
    -------
    str
        ``service``, ``database``, ``queue``, ``external`` or ``user``.
    """
    return next((kind for kind, prefix in PREFIXES.items() if node.startswith(prefix)), "service")


def name_of(node: str) -> str:
    """Return the name of a node for people: its id without the prefix of its kind.

    Parameters
    ----------
    node : str
        Its id.

    Returns
    -------
    str
    """
    kind = kind_of(node)
    return node if kind == "service" else node.removeprefix(PREFIXES[kind]) or kind
