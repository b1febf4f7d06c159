"""Which commits a run becomes: one for each module that changed, predecessors first, and one for the whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dulwich.objects import Blob, Commit, ObjectID

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.paths import safe_relative_path
from matrioska.store.exporters.base import Export, ExportedModule
from matrioska.store.exporters.folders import Folder
from matrioska.store.exporters.messages import module_message, records_message, removal_message, whole_message
from matrioska.store.exporters.repository import Repository

AUTHOR = b"Matrioska <matrioska@localhost>"
PROVENANCE = "provenance.json"
#: Version of the records in the tree.
FORMAT = 1

_RECORDS = re.compile(rb"\.matrioska_*")
#: Bytes of a provenance that is read back.
_LONGEST = 50_000_000


class History:
    """Writes the commits of an export on top of those of an earlier one.

    Args:
        repository: where to write them.
        export: the run.
        tip: the last commit of the earlier export; None for the first.
        tree: that commit's files.

    Attributes:
        tip: the last commit written; the given one while there is none.
        commits: how many were written.
        folder: the files of the last commit.
    """

    def __init__(self, repository: Repository, export: Export, tip: ObjectID | None, tree: Folder) -> None:
        self.tip = tip
        self.commits = 0
        self.folder = tree
        self._repository = repository
        self._export = export
        self._direct = len(export.modules) == 1
        self._records = _free_name(export)
        self._name = repository.name(tree)

    def write(self) -> None:
        """Write what changed; nothing where the deliverable, the plan and the whiteboard are as they were."""
        self._remove_gone()
        for module in self._export.modules:
            self._put_module(module)
            self._commit_changes(module_message(module))
        self._put_whole()
        unbuilt = [module.spec.title for module in self._export.modules if not module.built]
        self._commit_changes(whole_message(self._export.architecture["name"], self._export.status, unbuilt))
        if not self.commits:
            self._put_plan()
            self._commit_changes(records_message())

    def _commit_changes(self, message: str) -> None:
        """Commit what changed since the last commit. The first of an export carries the run's records."""
        if self._repository.name(self.folder) == self._name:
            return
        if not self.commits:
            self._put_plan()
            # Not compared with what was there: another checkpoint alone is no reason for a commit.
            self._put_record(PROVENANCE, provenance(self._export))
        self._commit(message, self._repository.save(self.folder))

    def _commit(self, message: str, tree: ObjectID) -> None:
        commit = Commit()
        commit.tree = tree
        commit.parents = [self.tip] if self.tip is not None else []
        commit.author = commit.committer = AUTHOR
        commit.author_time = commit.commit_time = int(self._export.at.timestamp())
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = message.encode("utf-8")
        self._repository.objects.add_object(commit)
        self.tip, self._name = commit.id, tree
        self.commits += 1

    def _remove_gone(self) -> None:
        """Take away the modules that the plan has no more."""
        known = {f"{module.spec.id}.json" for module in self._export.modules}
        for name, _ in list(self.folder.below(self._records).below("modules").files()):
            if name not in known:
                module = name.removesuffix(".json")
                self.folder.drop(module)
                self.folder.drop(f"{self._records}/modules/{name}")
                self._commit_changes(removal_message(module))

    def _put_module(self, module: ExportedModule) -> None:
        record = f"modules/{module.spec.id}.json"
        if module.built:
            self._put_record(record, module_record(module))
        else:
            self.folder.drop(f"{self._records}/{record}")
        if self._direct:
            old = [path for path, _ in self.folder.files() if path.split("/")[0] != self._records]
        else:
            old = [path for path, _ in self.folder.below(module.spec.id).files(f"{module.spec.id}/")]
        self._put_files(old, module.files)

    def _put_whole(self) -> None:
        """Put the files that are no module's, and take away whatever else is left."""
        if not self._direct:
            folders = {ref.path.split("/")[0] for module in self._export.modules for ref in module.files}
            rest = [key.decode() for key in self.folder.entries if key.decode() not in {self._records, *folders}]
            self._put_files(rest, self._export.whole)

    def _put_files(self, old: Iterable[str], files: Iterable[ArtifactRef]) -> None:
        """Put files in the place of others; what stays the same stays untouched.

        Raises:
            UnsafePathError: a path would leave the folder, or is git's own.
        """
        new = {safe_relative_path(ref.path): self._blob(self._export.read(ref)) for ref in files}
        for path in old:
            if path not in new:
                self.folder.drop(path)
        for path, content in new.items():
            self.folder.put(path, content)

    def _put_plan(self) -> None:
        self._put_record("architecture.json", self._export.architecture)
        self._put_record("shared_state.json", self._export.shared_state)

    def _put_record(self, name: str, value: Mapping[str, Any]) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        self.folder.put(f"{self._records}/{name}", self._blob(text.encode("utf-8")))

    def _blob(self, content: bytes) -> ObjectID:
        blob = Blob.from_string(content)
        self._repository.objects.add_object(blob)
        return blob.id


def module_record(module: ExportedModule) -> dict[str, Any]:
    """Return what the tree tells of a module: all of it the same for the same inputs and files."""
    return {
        "contract": module.spec.model_dump(mode="json"),
        "model": module.model,
        "digest": module.digest,
        "values": dict(module.values),
        "findings": list(module.findings),
        "files": {ref.path: ref.sha256 for ref in module.files},
    }


def provenance(export: Export) -> dict[str, Any]:
    """Return where the files come from: the run, the models, and the digest of every file."""
    return {
        "format": FORMAT,
        "thread": export.thread_id,
        "checkpoint": export.checkpoint_id,
        "status": export.status,
        "at": export.at.isoformat(),
        "entry_point": export.entry_point,
        "models": dict(export.models),
        "modules": {module.spec.id: module.status for module in export.modules},
        "files": {ref.path: ref.sha256 for ref in export.files},
    }


def exported_thread(repository: Repository, tree: Folder) -> str:
    """Return the thread whose export a commit's files are.

    Raises:
        ValueError: they are no export's.
        KeyError: an object is missing.
    """
    # A deliverable may have a folder of that name itself; the records' is then the longer one.
    names = sorted((key for key in tree.entries if _RECORDS.fullmatch(key)), key=len)
    records = tree.entries[names[-1]] if names else None
    name = records.entries.get(PROVENANCE.encode()) if isinstance(records, Folder) else None
    if name is None or isinstance(name, Folder):
        raise ValueError("it holds no record of an export")
    blob = repository.objects[name]
    if not isinstance(blob, Blob) or blob.raw_length() > _LONGEST:
        raise ValueError("its record is no file")
    found = json.loads(blob.data)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError("its record is of another form")
    return str(found.get("thread"))


def _free_name(export: Export) -> str:
    """Return a folder for the records that no file of the deliverable stands in."""
    taken = {ref.path.split("/")[0].casefold() for ref in export.files}
    name = ".matrioska"
    while name in taken:
        name += "_"
    return name
