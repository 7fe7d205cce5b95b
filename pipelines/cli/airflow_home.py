"""The project's own Airflow: where it keeps its state, and its settings.

Everything lies in ``.airflow/`` (untracked): metadata database, logs, secrets. Remove the folder
and the next start makes a new one.
"""

import json
import os
import secrets
import sys
from pathlib import Path

from pipelines.base.files import write_text
from pipelines.release.approval import ApprovalParams
from pipelines.release.config import load_section

PROJECT = Path(__file__).resolve().parents[2]
HOME = PROJECT / ".airflow"
LOGS = HOME / "logs"
PASSWORDS = HOME / "passwords.json"
_SECRET = HOME / "jwt_secret"
USER = "admin"


def password() -> str:
    """Password of `USER`, generated on first use and readable by the owner only."""
    if not PASSWORDS.exists():
        _write_private(PASSWORDS, json.dumps({USER: secrets.token_urlsafe(12)}))
    return str(json.loads(PASSWORDS.read_text(encoding="utf-8"))[USER])


def environment(port: int) -> dict[str, str]:
    """Environment of every Airflow process of the project.

    Parameters
    ----------
    port
        Port of the API server on loopback.

    Notes
    -----
    ``PYTHONDONTWRITEBYTECODE`` is taken out: without byte code every process compiles Airflow anew.
    """
    password()
    address = f"http://127.0.0.1:{port}"
    settings = {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(max(2, os.cpu_count() or 2)),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": _users(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(PASSWORDS),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(LOGS),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}"
    return {**inherited, **settings, "PATH": path}


def _users() -> str:
    """Users with their roles; Airflow makes passwords for new approvers, in the same file."""
    approvers = load_section(PROJECT, "approval", ApprovalParams).approvers
    return ",".join([f"{USER}:admin", *(f"{name}:op" for name in approvers if name != USER)])


def _secret() -> str:
    if not _SECRET.exists():
        _write_private(_SECRET, secrets.token_hex(48))
    return _SECRET.read_text(encoding="utf-8")


def _write_private(path: Path, text: str) -> None:
    HOME.mkdir(mode=0o700, exist_ok=True)
    write_text(path, text)
    path.chmod(0o600)
