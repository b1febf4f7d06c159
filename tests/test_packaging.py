"""The map of rooms is written in three places; they must agree, and the wheel must hold it all."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("graph", "models", "nodes", "prompts", "state", "store", "workers")


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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--outdir", str(out), str(ROOT)], check=True, timeout=300
    )
    return set(zipfile.ZipFile(next(out.glob("*.whl"))).namelist())


def test_the_wheel_holds_every_file_of_the_tree(wheel: set[str]) -> None:
    expected = set()
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
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
