"""Graphs made on the spot, with the shapes that workflows and builds have. Seeded: the same every time."""

from __future__ import annotations

import random

from bench.dags import Dag


def _dag(name: str, deps: list[list[int]], seconds: list[float]) -> Dag:
    return Dag(name, tuple(tuple(sorted(set(d))) for d in deps), tuple(seconds))


def layered(layers: int, width: int, seed: int, spread: float = 1.0) -> Dag:
    """Layers of up to ``width`` tasks, each reading one to three tasks of the layer before."""
    dice = random.Random(seed)
    deps: list[list[int]] = []
    before: list[int] = []
    for _ in range(layers):
        here = []
        for _ in range(dice.randint(max(1, width // 2), width)):
            here.append(len(deps))
            deps.append(dice.sample(before, min(len(before), dice.randint(1, 3))))
        before = here
    return _dag(f"layered-{layers}x{width}-{seed}", deps, [dice.lognormvariate(0, spread) for _ in deps])


def fork_join(rounds: int, width: int, seed: int) -> Dag:
    """A task forks into ``width``, which join again, several times over."""
    dice = random.Random(seed)
    deps: list[list[int]] = [[]]
    for _ in range(rounds):
        fork = len(deps) - 1
        branches = range(len(deps), len(deps) + width)
        deps += [[fork] for _ in branches]
        deps.append(list(branches))
    return _dag(f"fork-join-{rounds}x{width}-{seed}", deps, [dice.uniform(0.2, 2.0) for _ in deps])


def chains(count: int, length: int, seed: int) -> Dag:
    """Chains side by side, with a last task that needs them all."""
    dice = random.Random(seed)
    deps: list[list[int]] = []
    ends = []
    for _ in range(count):
        for step in range(length):
            deps.append([len(deps) - 1] if step else [])
        ends.append(len(deps) - 1)
    deps.append(ends)
    return _dag(f"chains-{count}x{length}-{seed}", deps, [dice.expovariate(1.0) + 0.05 for _ in deps])


def tree(depth: int, branching: int, seed: int, *, inward: bool) -> Dag:
    """A tree that spreads from its root, or one whose leaves come first and join in the root."""
    dice = random.Random(seed)
    parents: list[int | None] = [None]
    level = [0]
    for _ in range(depth):
        before = len(parents)
        parents += [node for node in level for _ in range(branching)]
        level = list(range(before, len(parents)))
    size = len(parents)
    seconds = [dice.lognormvariate(0, 0.7) for _ in range(size)]
    if not inward:
        return _dag(f"out-tree-{depth}x{branching}-{seed}", [[] if p is None else [p] for p in parents], seconds)
    deps: list[list[int]] = [[] for _ in range(size)]
    for child, parent in enumerate(parents):
        if parent is not None:
            deps[size - 1 - parent].append(size - 1 - child)
    return _dag(f"in-tree-{depth}x{branching}-{seed}", deps, seconds)


def montage(images: int, seed: int) -> Dag:
    """The shape of the astronomy workflow Montage: project, compare pairs, fit, correct, add."""
    dice = random.Random(seed)
    deps: list[list[int]] = [[] for _ in range(images)]
    seconds = [dice.uniform(0.8, 1.2) for _ in deps]
    pairs = [[one, dice.randrange(images)] for one in range(images) for _ in range(2)]
    first_pair = len(deps)
    deps += pairs
    deps.append(list(range(first_pair, len(deps))))
    fit = len(deps)
    deps.append([fit - 1])
    deps += [[image, fit] for image in range(images)]
    deps.append(list(range(fit + 1, len(deps))))
    deps += [[len(deps) - 1], [len(deps)]]
    seconds += [dice.uniform(0.1, 0.4) for _ in range(len(deps) - len(seconds))]
    seconds[-2] = 2.0
    return _dag(f"montage-{images}-{seed}", deps, seconds)


def skewed(size: int, seed: int) -> Dag:
    """Any earlier task may be read, and a few tasks take far longer than the rest."""
    dice = random.Random(seed)
    deps: list[list[int]] = []
    for task in range(size):
        deps.append(dice.sample(range(task), min(task, dice.choice((0, 1, 1, 2)))))
    return _dag(f"skewed-{size}-{seed}", deps, [dice.paretovariate(1.2) for _ in range(size)])


def width_ten(size: int) -> Dag:
    """Layers of ten tasks that read two of the layer before: the shape for measures of cost."""
    deps = [[] if task < 10 else [task - 10, task - task % 10 - 10 + (task + 3) % 10] for task in range(size)]
    return _dag(f"layers-of-ten-{size}", deps, [1.0] * size)


def generated() -> list[Dag]:
    """Return the graphs that are measured when no file is given."""
    return [
        *(layered(layers, width, seed) for seed, (layers, width) in enumerate([(4, 6), (6, 10), (8, 16), (12, 20)])),
        *(layered(6, 12, seed, spread=1.5) for seed in (4, 5)),
        *(fork_join(rounds, width, seed) for seed, (rounds, width) in enumerate([(2, 6), (3, 16), (1, 40), (5, 10)])),
        *(chains(count, length, seed) for seed, (count, length) in enumerate([(1, 12), (6, 8), (20, 5), (12, 12)])),
        *(tree(3, 3, 0, inward=inward) for inward in (True, False)),
        *(tree(6, 2, 0, inward=inward) for inward in (True, False)),
        *(montage(images, 0) for images in (8, 20, 40)),
        *(skewed(size, 0) for size in (20, 60, 120, 250)),
    ]
