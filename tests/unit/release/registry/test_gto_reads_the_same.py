"""Our tags are GTO's: GTO itself is the oracle, in both directions."""

import time
from pathlib import Path

import gto.api
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.registry import assign, assignments, current, register, versions
from tests.unit.release.lifecycle.product import commit, git

P = "model_release"


def gto_versions(project: Path) -> list[tuple[str, str]]:
    return [(v["version"], v["commit_hexsha"]) for v in gto.api.show(project, P)]


def gto_current(project: Path, stage: str) -> str | None:
    """What ``gto show`` prints: the last assignment counts (``gto which`` goes by version)."""
    found = gto.api.show(project)[P]["stage"].get(stage)
    return None if found is None else str(found)


def test_gto_sees_what_we_write_also_within_one_second(project: Path) -> None:
    commits = [commit(project, str(n)) for n in range(3)]
    made = [register(project, P, one, "minor").version for one in commits]
    assert made == ["v1.0.0", "v1.1.0", "v1.2.0"]
    assert sorted(gto_versions(project)) == sorted(zip(made, commits, strict=True))
    for version in ["v1.0.0", "v1.2.0", "v1.0.0", "v1.1.0", "v1.0.0"]:
        assign(project, P, version, "production")
        assert gto_current(project, "production") == version
        now = current(project, P, "production")
        assert now is not None
        assert now.version == version
    assign(project, P, "v1.2.0", "staging")
    assert (gto_current(project, "staging"), gto_current(project, "production")) == (
        "v1.2.0", "v1.0.0",
    )  # fmt: skip
    assert [one.number for one in assignments(project, P, "production")] == [1, 2, 3, 4, 5]


def test_we_see_what_gto_writes_and_count_on_from_it(project: Path) -> None:
    first, second = commit(project, "1"), commit(project, "2")
    gto.api.register(project, P, first, version="v2.3.4")
    gto.api.assign(project, P, "staging", version="v2.3.4")
    assert [(one.version, one.commit) for one in versions(project, P)] == [("v2.3.4", first)]
    assert register(project, P, second, "major").version == "v3.0.0"
    assert assign(project, P, "v3.0.0", "staging").number == 2
    assert gto_current(project, "staging") == "v3.0.0"


def test_what_gto_takes_back_is_gone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Some tags within one second are dated one second apart; here they must not outrun GTO's.
    monkeypatch.setattr(
        "pipelines.release.registry.write.time.time", lambda: time.time_ns() / 1e9 - 60
    )
    commits = [commit(project, str(n)) for n in range(2)]
    for one in commits:
        version = register(project, P, one, "patch").version
        assign(project, P, version, "production")
    gto.api.unassign(project, P, version="v1.0.1", stage="production")
    now = current(project, P, "production")
    assert now is not None
    assert now.version == gto_current(project, "production") == "v1.0.0"
    gto.api.deregister(project, P, version="v1.0.1")
    assert [one.version for one in versions(project, P)] == ["v1.0.0"]
    # The number is spent all the same.
    assert register(project, P, commit(project, "3"), "patch").version == "v1.0.2"


def test_the_counter_decides_and_not_the_clock(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(2):
        register(project, P, commit(project, str(n)), "minor")
    assign(project, P, "v1.0.0", "production")
    monkeypatch.setattr("pipelines.release.registry.write.time.time", lambda: 1_000_000.0)
    assign(project, P, "v1.1.0", "production")
    now = current(project, P, "production")
    assert now is not None
    assert now.version == gto_current(project, "production") == "v1.1.0"


def test_a_commit_is_one_version_and_an_unknown_one_is_named(project: Path) -> None:
    made = register(project, P, commit(project, "1"), "minor")
    with pytest.raises(SignalboxError, match=r"is model_release v1.0.0 already"):
        register(project, P, made.commit, "minor")
    with pytest.raises(SignalboxError, match=r"no version v9.9.9; versions are: v1.0.0"):
        assign(project, P, "v9.9.9", "production")
    with pytest.raises(SignalboxError, match=r"must look like v1.2.3"):
        assign(project, P, "latest", "production")


def test_a_tag_that_is_there_is_not_overwritten(project: Path) -> None:
    made = commit(project, "1")
    git(project, "tag", "model_release@v1.0.0", "HEAD~1")  # lightweight: no version, but a tag
    with pytest.raises(SignalboxError, match=r"model_release@v1.0.0 was made by someone else"):
        register(project, P, made, "minor")
    assert git(project, "rev-parse", "model_release@v1.0.0") == git(project, "rev-parse", "HEAD~1")


def test_products_with_similar_names_are_kept_apart(project: Path) -> None:
    made = commit(project, "1")
    register(project, "model", made, "minor")
    assert versions(project, P) == []
    with pytest.raises(SignalboxError, match="only letters, digits"):
        register(project, "a/../b", made, "minor")


def test_without_an_identity_nothing_is_tagged(project: Path) -> None:
    made = commit(project, "1")
    git(project, "config", "--unset", "user.name")
    with pytest.raises(SignalboxError, match="git doesn't know who you are"):
        register(project, P, made, "minor")
    assert git(project, "tag") == ""


def test_an_empty_registry_is_empty(project: Path) -> None:
    assert versions(project, P) == []
    assert current(project, P, "production") is None
