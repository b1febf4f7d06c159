"""The map of rooms is written in three places; they must agree, and the wheel must hold it all."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("graph", "models", "nodes", "prompts", "state", "store", "web", "workers")


def _setuptools() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]  # type: ignore[no-any-return]


def _packages_on_disk() -> set[str]:
    places = {"matrioska": ROOT / "matrioska", **{f"matrioska.{room}": ROOT / room for room in ROOMS}}
    found = set()
    for name, place in places.items():
        for init in place.rglob("__init__.py"):
            inner = init.parent.relative_to(place)
            if not any((place / parent).is_symlink() for parent in [inner, *inner.parents] if str(parent) != "."):
                found.add(".".join([name, *inner.parts]))
    return found


def test_links_map_and_packages_agree() -> None:
    links = {path.name for path in (ROOT / "matrioska").iterdir() if path.is_symlink()}
    mapped = {name.removeprefix("matrioska.") for name in _setuptools()["package-dir"]} - {"matrioska"}  # type: ignore[attr-defined]
    assert links == mapped == set(ROOMS)
    for room in ROOMS:
        assert str((ROOT / "matrioska" / room).readlink()) == f"../{room}"
    assert set(_setuptools()["packages"]) == _packages_on_disk()  # type: ignore[call-overload]


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists() or (ROOT / name).is_symlink()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    # From a copy: setuptools leaves a build folder, whose stale files would get into later wheels.
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in _tracked():
        place = source / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place, follow_symlinks=False)
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--outdir", str(out), str(source)], check=True, timeout=300
    )
    return set(zipfile.ZipFile(next(out.glob("*.whl"))).namelist())


def test_the_wheel_holds_every_file_of_the_tree(wheel: set[str]) -> None:
    expected = set()
    for name in _tracked():
        if (ROOT / name).is_symlink() or "/" not in name:
            continue
        top = name.split("/")[0]
        if top == "matrioska":
            expected.add(name)
        elif top in ROOMS:
            expected.add(f"matrioska/{name}")
    assert expected
    assert expected <= wheel


def test_the_wheel_puts_only_matrioska_into_site_packages(wheel: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"matrioska"}


def test_importing_matrioska_is_light() -> None:
    code = (
        "import sys, matrioska; heavy = {'torch', 'transformers', 'langgraph', 'langchain_core'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_public_name_loads() -> None:
    import matrioska

    for name in matrioska.__all__:
        assert getattr(matrioska, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = matrioska.nothing  # type: ignore[attr-defined]
