"""Graph questions about a plan: cycles and what lies upstream. Iterative, so depth costs nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

Edges = Mapping[str, Sequence[str]]


def components(edges: Edges) -> list[list[str]]:
    """Return the strongly connected components, those that others point to first (Tarjan)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in edges:
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(edges[root]))]
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in order:
                    order[successor] = low[successor] = len(order)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(edges[successor])))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], order[successor])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == order[node]:
                    found.append(_pop_component(stack, on_stack, node))
    return found


def _pop_component(stack: list[str], on_stack: set[str], node: str) -> list[str]:
    component: list[str] = []
    while not component or component[-1] != node:
        component.append(stack.pop())
    on_stack.difference_update(component)
    return component


def example_cycles(edges: Edges, parts: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return one shortest cycle for each component that holds one, its first node repeated at the end.

    A node's edge to itself is no cycle here: the plan check names it by its own words.
    """
    return [_shortest_cycle(edges, part) for part in parts if len(part) > 1]


def _shortest_cycle(edges: Edges, part: Sequence[str]) -> list[str]:
    inside = set(part)
    start = min(part)
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for successor in edges[node]:
            if successor == start and node != start:
                path = [node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return [*reversed(path), start]
            if successor in inside and successor not in came_from and successor != start:
                came_from[successor] = node
                queue.append(successor)
    raise AssertionError("a strongly connected component without a cycle")


class Upstream:
    """Answers whether one node can be reached from another, for every pair at once.

    A bit set per component keeps 5,000 modules within a few megabytes.
    """

    def __init__(self, edges: Edges, parts: Sequence[Sequence[str]]) -> None:
        self._bit = {node: 1 << index for index, part in enumerate(parts) for node in part}
        self._reach: dict[str, int] = {}
        for part in parts:
            mask = self._bit[part[0]]
            # Components come in an order where every successor outside is known already.
            for successor in {successor for node in part for successor in edges[node]}:
                mask |= self._reach.get(successor, 0)
            for node in part:
                self._reach[node] = mask

    def reaches(self, node: str, target: str) -> bool:
        """Return whether ``target`` is ``node`` or lies upstream of it."""
        return bool(self._reach[node] & self._bit[target])
