"""Names of the kinds of personal data and secrets that can be masked in logs.

What they look like is a matter of those who mask, `pipelines.aiops.log_parsing.mask_patterns`:
params name kinds, and a changed pattern is no reason to run stages again that only read params.
"""

KINDS = ("token", "secret", "credentials", "mail", "ip", "ipv6", "card", "phone")
"""Names of all kinds, in the order in which they are applied."""

DEFAULT_KINDS = ("token", "secret", "credentials", "mail", "ip", "ipv6", "card")
"""What is masked unless params say otherwise; phone numbers look too much like other numbers."""

PERSONAL_KINDS = ("mail", "ip", "ipv6", "card", "phone")
"""Kinds that can become pseudonyms instead; of a secret nothing is worth keeping."""
