"""Tell Alertmanager and Prometheus that new files are there; only what an allow-list names."""

import subprocess

from pipelines.aiops.params.export_rules import ReloadParams
from pipelines.base.errors import SignalboxError

_SAID = 500


def check_reload(params: ReloadParams) -> None:
    """Stop before anything is written where the reload isn't allowed.

    Raises
    ------
    SignalboxError
        If it isn't in the list, or there are two.
    """
    if params.url and params.command:
        raise SignalboxError(
            "params.yaml: aiops.export_rules.publish.reload: url and command; name one"
        )
    wanted = params.url or (params.command[0] if params.command else "")
    if wanted and wanted not in params.allowed:
        raise SignalboxError(
            f"params.yaml: aiops.export_rules.publish.reload: {wanted!r} isn't in 'allowed' "
            f"({params.allowed}); nothing was written"
        )


def reload(params: ReloadParams) -> str:
    """Tell it; return what was done, empty where nothing is asked for.

    Raises
    ------
    SignalboxError
        If it fails or doesn't answer.
    """
    check_reload(params)
    if params.url:
        return _post(params.url, params.timeout_seconds)
    return _run(params) if params.command else ""


def _post(url: str, timeout_seconds: int) -> str:
    import httpx

    try:
        answer = httpx.post(url, timeout=timeout_seconds, follow_redirects=False)
    except httpx.HTTPError as error:
        raise SignalboxError(f"reload: {url}: {type(error).__name__}") from error
    if not answer.is_success:
        said = " ".join(answer.text.split())[:_SAID]
        raise SignalboxError(f"reload: {url} answers {answer.status_code}: {said}")
    return f"POST {url}: {answer.status_code}"


def _run(params: ReloadParams) -> str:
    try:
        done = subprocess.run(
            params.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=params.timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SignalboxError(
            f"reload: {params.command[0]}: no end within {error.timeout} s"
        ) from error
    except OSError as error:
        raise SignalboxError(f"reload: {params.command[0]}: {error.strerror}") from error
    if done.returncode:
        raise SignalboxError(f"reload: {params.command[0]} ends with {done.returncode}")
    return f"{params.command[0]}: done"
