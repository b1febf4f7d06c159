"""Pipelines on models of random weights, in one thread: for products this small, several only wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from matrioska.models.local.residency import local_models
from tests.models.local.pipelines import Shelf


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    local_models().close()
