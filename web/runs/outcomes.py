"""What stages handed over in a pass of `execute` that has not ended yet."""

from __future__ import annotations

from matrioska.graph.execution import Execution
from matrioska.runs import Runs
from matrioska.state.context import RunOptions
from matrioska.state.outcomes import Outcome
from matrioska.web.runs.saved import SavedRun


def outcome_of(runs: Runs, thread: str, saved: SavedRun, module: str) -> Outcome | None:
    """Return what a module's last stage handed over; None where no pass is under way, or it has not ended a stage.

    LangGraph keeps the result of a stage under a path that ends in the number of its call, and the order
    of the calls follows from the plan.
    """
    values = saved.report.values
    if saved.report.next != ("execute",) or not values.get("options"):
        return None
    stages = Execution(values, RunOptions.model_validate(values["options"])).stages  # type: ignore[arg-type]
    numbers = {number: stage for number, stage in enumerate(stages) if stage.module == module}
    with runs.saver.cursor(transaction=False) as cursor:
        rows = cursor.execute(
            "SELECT task_path, type, value FROM writes "
            "WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ? AND channel = '__return__'",
            (thread, saved.mark[0]),
        ).fetchall()
    ended = {}
    for path, kind, value in rows:
        number = next((int(part) for part in str(path).split(", ") if part.isdigit()), -1)
        if number in numbers:
            ended[number] = runs.saver.serde.loads_typed((kind, value))
    return Outcome.model_validate(ended[max(ended)]) if ended else None
