"""What of DVC's configuration decides the graph: remotes, parsing, and whether there is git."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.ignore import DVC_DIR
from dvc_airflow.graph.interpolate import Style
from dvc_airflow.graph.locations import LocationError, check_scheme

_NAMED: Final = re.compile(r"""^\s*['"]?\s*(remote|machine|db)\s*"(.*?)"\s*['"]?\s*$""")
# Lines that Python's reader and DVC's take alike: no quoted values, no lists, no comments beside.
_PLAIN: Final = re.compile(
    r"""(?:[ \t]*+(?:\[(?:'[^'\[\]\n]*+'|\w*+|\w++[ ]"[^"'\[\]\n]*+")\]
    |\w++[ ]*+=[ ]*+[^'"\#,\n]*+|\#.*+)?+(?:\n|\Z))*+""",
    re.X,
)
_SECTIONS: Final = frozenset(
    {"core", "cache", "state", "index", "feature", "plots", "exp", "parsing", "hydra", "studio"}
    | {"remote", "machine", "db"}
)
_BOOLEANS: Final = frozenset(
    {"interactive", "analytics", "hardlink_lock", "no_scm", "autostage", "experiments"}
    | {"check_update"}
)
_CORE: Final = _BOOLEANS | {"remote", "checksum_jobs", "site_cache_dir", "machine"}
_REMOTE_WORDS: Final = """
access_key_id account_key account_name acl allow_agent allow_anonymous_login ask_passphrase
ask_password auth bearer_token_command cache_regions cert_path checksum_jobs client_id client_secret
configpath connect_timeout connection_string connection_timeout credentialpath custom_auth_header
data_proxy_target endpointurl exclude_environment_credential exclude_managed_identity_credential
exclude_shared_token_cache_credential exclude_visual_studio_code_credential
gdrive_acknowledge_abuse gdrive_client_id gdrive_client_secret
gdrive_service_account_json_file_path gdrive_service_account_user_email gdrive_trash_only
gdrive_use_service_account gdrive_user_credentials_file grant_full_control grant_read grant_read_acp
grant_write_acp gss_auth jobs kerb_ticket kerberos kerberos_principal key_path keyfile listobjects
max_sessions method no_traverse oss_endpoint oss_key_id oss_key_secret passphrase password port
profile projectname protected proxy_to read_timeout region replication sas_token secret_access_key
session_token shared slow_link_warning sse sse_customer_algorithm sse_customer_key sse_kms_key_id
ssl_verify tenant_id timeout token type url use_https use_ssl user verify version_aware worktree
"""
_REMOTE_KEYS: Final = frozenset(_REMOTE_WORDS.split())
_LINKS: Final = frozenset({"reflink", "hardlink", "symlink", "copy"})
_CHOICES: Final = {"bool": ("store_true", "boolean_optional"), "list": ("nargs", "append")}


@dataclass(frozen=True)
class DvcConfig:
    """The merged configuration.

    Attributes
    ----------
    remotes : Mapping
        Name of a remote, in small letters, to its address.
    """

    style: Style = field(default_factory=Style)
    no_scm: bool = False
    remotes: Mapping[str, str] = field(default_factory=dict)


def read_config(root: Path) -> DvcConfig:
    """Read the four levels that DVC merges: system, user, project and local.

    Raises
    ------
    PipelineError
        If the project's own files cannot be read, or hold what DVC refuses.
    """
    merged: dict[str, dict[str, str]] = {}
    remotes: dict[str, str] = {}
    for path in _files(root):
        for section, values in _read(path, root).items():
            named = _NAMED.match(section)
            if named is None:
                merged.setdefault(section.lower(), {}).update(values)
            elif named[1] == "remote" and "url" in values:
                remotes[named[2].lower()] = _address(values["url"], path.parent)
    parsing = merged.get("parsing", {})
    return DvcConfig(
        Style(parsing.get("bool", "store_true"), parsing.get("list", "nargs")),
        merged.get("core", {}).get("no_scm", "").lower() == "true",
        remotes,
    )


def _files(root: Path) -> list[Path]:
    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR") or os.path.join(
        (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)[0], "dvc"
    )
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or os.path.join(
        os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "dvc"
    )
    own = root / DVC_DIR
    return [Path(system, "config"), Path(user, "config"), own / "config", own / "config.local"]


def _read(path: Path, root: Path) -> dict[str, dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise PipelineError(_shown(path, root), 1, f"cannot be read: {exc}") from exc
    try:
        sections = _read_fast(text) if _PLAIN.fullmatch(text) else None
    except configparser.Error:
        sections = None
    if sections is None:
        sections = _read_as_dvc_does(text, path, root)
    for name, values in sections.items():
        _check(name, values, text, _shown(path, root))
    return sections


def _read_fast(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=True, delimiters="=")
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _read_as_dvc_does(text: str, path: Path, root: Path) -> dict[str, dict[str, str]]:
    """Read with DVC's own reader, which is slower to import."""
    from configobj import ConfigObj, ConfigObjError  # type: ignore[import-untyped]

    try:
        found = ConfigObj(text.splitlines()).dict()
    except ConfigObjError as exc:
        line = int(getattr(exc, "line_number", 0) or 1)
        problem = f"this is no valid DVC configuration: {exc}"
        raise PipelineError(_shown(path, root), line, problem) from exc
    loose = [key for key, value in found.items() if not isinstance(value, dict)]
    if loose:
        problem = f"{loose[0]!r} stands in no section; DVC wants one, such as [core]"
        raise PipelineError(_shown(path, root), _line(text, loose[0]), problem)
    return {
        str(name): {str(key).lower(): str(value) for key, value in values.items()}
        for name, values in found.items()
    }


def _check(name: str, values: Mapping[str, str], text: str, shown: str) -> None:
    """Refuse what DVC refuses of the sections that decide the graph."""
    named = _NAMED.match(name)
    if named and named[1] == "remote":
        _check_remote(name, values, text, shown)
    if named:
        return
    if name.lower() not in _SECTIONS:
        problem = f"unknown section {name!r}; DVC knows {', '.join(sorted(_SECTIONS))}"
        raise PipelineError(shown, _line(text, name), problem)
    for key, value in values.items():
        if name.lower() == "core" and key not in _CORE:
            problem = f"unknown key {key!r} in [core]; DVC knows {', '.join(sorted(_CORE))}"
            raise PipelineError(shown, _line(text, key), problem)
        if name.lower() == "core" and key in _BOOLEANS and value.lower() not in ("true", "false"):
            raise PipelineError(shown, _line(text, key), f"{key!r} must be true or false")
        links = set(re.split(r"[,\[\]' ]+", value)) - {""}
        if (name.lower(), key) == ("cache", "type") and not links <= _LINKS:
            known = ", ".join(sorted(_LINKS))
            raise PipelineError(shown, _line(text, key), f"'type' of [cache] may name {known}")
        if name.lower() == "parsing" and value.lower() not in _CHOICES.get(key, ()):
            known = ", ".join(f"{key} = {' or '.join(found)}" for key, found in _CHOICES.items())
            raise PipelineError(shown, _line(text, key), f"[parsing] may hold {known}")


def _check_remote(name: str, values: Mapping[str, str], text: str, shown: str) -> None:
    url = values.get("url")
    if url is None and shown.endswith("/config"):
        problem = f"{name} needs a 'url'; DVC refuses a remote without one"
        raise PipelineError(shown, _line(text, name), problem)
    odd = next((key for key in values if key not in _REMOTE_KEYS), None)
    if odd is not None and not (url or "").startswith("remote://"):
        raise PipelineError(shown, _line(text, odd), f"{odd!r} is no key of a remote")
    try:
        check_scheme(url or "")
    except LocationError as exc:
        raise PipelineError(shown, _line(text, url or name), str(exc)) from exc


def _line(text: str, word: str) -> int:
    lines = text.lower().splitlines()
    return next((number for number, line in enumerate(lines, 1) if word.lower() in line), 1)


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _address(url: str, folder: Path) -> str:
    """Return a remote's address; a relative path counts from the file that names it."""
    if re.match(r"\w+://", url):
        return url
    return os.path.normpath(folder / os.path.expanduser(url))
