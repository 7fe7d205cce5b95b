"""Words that a world makes its names of."""

NOUNS = (
    "checkout", "payment", "cart", "catalog", "search", "pricing", "inventory", "shipping",
    "ledger", "invoice", "profile", "session", "identity", "media", "feed", "message", "mail",
    "review", "rating", "geo", "route", "fleet", "driver", "quote", "policy", "claim", "account",
    "card", "fraud", "report", "export", "import", "tariff", "meter", "booking", "ticketing",
    "seat", "price", "stock", "order", "refund", "loyalty", "coupon", "notify", "device",
    "sensor", "stream", "video", "image", "translate", "audit", "consent", "partner", "feature",
    "experiment", "recommend", "rank", "crawl", "index", "document", "form", "survey", "tax",
    "wallet",
)  # fmt: skip
SECOND = ("core", "edge", "public", "internal", "next", "eu", "v2", "fast", "main", "hub")
SUFFIX: dict[str, tuple[str, ...]] = {
    "edge": ("gateway", "web", "bff"),
    "api": ("api", "service", "svc"),
    "worker": ("worker", "consumer", "processor"),
    "batch": ("batch", "etl", "nightly"),
    "database": ("db", "postgres", "mysql"),
    "cache": ("cache", "redis", "memcached"),
    "queue": ("queue", "kafka", "rabbitmq"),
}
TEAMS = (
    "payments", "storefront", "logistics", "growth", "identity", "data", "platform", "search",
    "core", "mobile", "risk", "billing", "content", "insights", "sre", "integrations",
)  # fmt: skip
CLUSTERS = (
    ("prod-a", "prod-b", "prod-c", "prod-d"),
    ("eu-west-1", "eu-central-1", "us-east-1", "ap-south-1"),
    ("blue", "green", "amber", "violet"),
    ("k8s-01", "k8s-02", "k8s-03", "k8s-04"),
)
TIMEZONES = (
    "Europe/Berlin", "America/New_York", "Europe/London", "Asia/Tokyo", "UTC",
    "Australia/Sydney", "America/Los_Angeles", "Asia/Kolkata", "Europe/Warsaw",
)  # fmt: skip
AUTHORS = ("ana", "bo", "chen", "dana", "emeka", "fatima", "goran", "hana", "ines", "jun")
