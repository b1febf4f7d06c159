"""A module done by a pipeline of transformers: files in, whiteboard values and files out, no prompt.

Every whiteboard key that the module writes is given the same object:
``{"summary", "task", "model", "results": {file name: what came of it}}``. A file that cannot be
used is named there with its ``error``; the module fails when all of them are such.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from matrioska.models.gateway import Reply
from matrioska.models.local.hub import parse_ref
from matrioska.models.local.loading import ModelKey
from matrioska.models.local.pipelines import LoadedPipeline, PipelineKey, pipeline_key
from matrioska.models.local.residency import local_models
from matrioska.models.meter import CallRecord, current_meter
from matrioska.models.recorder import take_down
from matrioska.models.registry import parse_name
from matrioska.state.errors import ConfigError, MatrioskaError, ModelError
from matrioska.state.members import Member
from matrioska.state.results import Usage
from matrioska.state.text import clean_text
from matrioska.store.media import MediaError
from matrioska.workers.base import GivenFile, Job, Made, MadeFile, Work
from matrioska.workers.pipeline.inputs import prepare, sort_out
from matrioska.workers.pipeline.options import check_parameters, read_options
from matrioska.workers.pipeline.outputs import RESULTS, Folder, as_file, outcome, whiteboard_value

_CANNOT_MEND = (
    "A pipeline gives the same result for the same files each time, so it cannot mend anything: "
    "change the module's worker_options, model or files in the plan."
)
_LONGEST_FAULT = 300


class PipelineWorker:
    """See the module's text."""

    reads_prompt = False

    async def answer(self, job: Job) -> Work:
        """See `Worker.answer`.

        Raises:
            ModelLoadError: the model cannot be loaded, or is not for the task.
            ModelError: no file could be used; names the first faults.
        """
        model = job.client.member.model
        if job.stage == "mend":
            # It must cost nothing: it is asked as often as mends are allowed.
            return Work(Reply("", Usage(), fault=_CANNOT_MEND, model=model))
        if job.stage == "agree":
            raise ConfigError(
                f"Module {job.spec.id} cannot promise what its pipeline will find.",
                next_step="Give it contract_first: false in the plan.",
            )
        # It may import transformers and ask the hub.
        key, parameters = await asyncio.to_thread(_chosen, job)
        files, left_out = sort_out(key.task, job.given, job.spec.id)
        current_meter().admit()
        folder = Folder(job.spec.id)
        async with local_models().use_async(key) as loaded:
            results, usage = await _run_all(loaded, files, parameters, folder, model)
        if all("error" in found for found in results.values()):
            raise _nothing_done(job.spec.id, model, results)
        value = whiteboard_value(key.task.name, model, results, left_out)
        whole = {"task": key.task.name, "model": model, "results": results, "not_read": left_out}
        made = Made((MadeFile(RESULTS, as_file(whole)), *folder.files), dict.fromkeys(job.wanted, value))
        return Work(Reply(value["summary"], usage, model=model), made)


def _chosen(job: Job) -> tuple[PipelineKey, Mapping[str, Any]]:
    """Return which pipeline a module asks for, and what it is told.

    Raises:
        ConfigError: the module's options are wrong, or its model is none of transformers.
        ModelLoadError: the model's task was to be looked up, and the model is not there or unsafe.
    """
    options = read_options(job.spec.worker_options)
    key = pipeline_key(_model_key(job.client.member, job.spec.id), options.task)
    check_parameters(key.task, options.parameters)
    return key, options.parameters


def _model_key(member: Member, module: str) -> ModelKey:
    """Return which model a member is; of its options those count that say where and how it is loaded.

    Raises:
        ConfigError: it is no model of transformers.
    """
    name = parse_name(member.model) if member.model.startswith("huggingface:") else None
    if name is None:
        raise ConfigError(
            f"Module {module} is a pipeline, and {member.model} is no model that one can load.",
            next_step="Give the module a model such as 'huggingface:facebook/wav2vec2-base-960h', or a folder.",
        )
    told = member.options
    ref = parse_ref(name.model, name.revision or told.get("revision"))
    # Models for pipelines are small, and most of them lose more in 4 bits than those that converse.
    return ModelKey(ref, bool(told.get("load_in_4bit", False)), told.get("device"), 0)


async def _run_all(
    loaded: LoadedPipeline, files: list[GivenFile], parameters: Mapping[str, Any], folder: Folder, model: str
) -> tuple[dict[str, Any], Usage]:
    """Return what came of each file, by its name, and what it cost."""
    results: dict[str, Any] = {}
    spent = Usage()
    for file in files:
        async with loaded.turn():
            began = time.perf_counter()
            # One thread a file, so that a run that is stopped waits for one file at the most.
            found = await asyncio.to_thread(_run, loaded, file, parameters, folder)
        usage = Usage(calls=1, seconds=round(time.perf_counter() - began, 6))
        fault = str(found.get("error", ""))
        said = json.dumps(found, ensure_ascii=False)
        take_down(CallRecord(model, usage, ModelError.code if fault else "", text=said))
        spent += usage
        results[file.ref.path] = found
    return results, spent


def _run(loaded: LoadedPipeline, file: GivenFile, parameters: Mapping[str, Any], folder: Folder) -> dict[str, Any]:
    """Return what came of one file, or ``{"error": …}``."""
    import torch

    try:
        call = prepare(loaded, file, parameters)
        raw = loaded.run(call.arguments, call.parameters)
        return outcome(loaded.key.task, raw, str(PurePosixPath(file.ref.path).with_suffix("")), folder)
    except MediaError as error:
        return {"error": f"It {error.message}. {error.next_step}"}
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _ran_out(loaded, file) from error
    except MatrioskaError:
        raise
    # transformers says what it cannot use with errors of any class.
    except Exception as error:  # noqa: BLE001
        return {"error": clean_text(f"{type(error).__name__}: {error}")[:_LONGEST_FAULT]}


def _ran_out(loaded: LoadedPipeline, file: GivenFile) -> ModelError:
    name = loaded.key.ref.name
    return ModelError(
        f"Memory ran out while {name} worked on {file.ref.path}.",
        model=name,
        next_step="Give it a shorter or smaller file, choose a smaller model, or close other programs.",
    )


def _nothing_done(module: str, model: str, results: Mapping[str, Any]) -> ModelError:
    faults = "; ".join(f"{name}: {found['error']}" for name, found in [*results.items()][:3])
    return ModelError(
        f"The pipeline of module {module} could use none of its {len(results)} files. {faults}",
        model=model,
        next_step="Give other files with --asset, or another model or task in the plan.",
    )
