"""A project of four kinds of work: a sound, a picture, code and prose, each told only what is its own.

Two runs of it: the second is given no files and finds what the first left behind.
"""

from __future__ import annotations

import base64
import io
import json
import math
import struct
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from matrioska.state.fences import read_fences
from tests.matrioska.cli.conftest import cli as cli
from tests.models.local.pipelines import speech_model
from tests.protocols import ModelServer, openai_app, serving
from tests.support import fenced, file_block, plan, spec

SETTINGS = """
approval = "auto"
base_path = "out"
project = "album"
token_budget = 1400

[roles]
architect = "author"
worker = "author"
assembler = "author"
boss = "boss"
critic = "critic"

[members.author]
model = "openai:author@{author}/v1"
modalities = ["code", "prose"]

[members.eyes]
model = "openai:eyes@{eyes}/v1"
modalities = ["vision"]

[members.boss]
model = "openai:boss@{boss}/v1"

[members.critic]
model = "openai:critic@{critic}/v1"
"""
TASK = "Make a page about my tune and its cover"
LYRICS = "the sea sings low and the harbour answers " * 220


def album(model: Path) -> dict[str, Any]:
    """Return the plan: a listener, a viewer, and two who work with what these found."""
    listener = spec(
        "listen",
        description="Write down what is sung.",
        worker="pipeline",
        model=f"huggingface:{model}",
        worker_options={"task": "automatic-speech-recognition"},
        modality="audio",
        asset_reads=["tune.wav"],
        shared_state_writes=["listen.words"],
        contract_first=False,
    )
    viewer = spec(
        "look",
        description="Name the colours of the cover, in the tempo of the tune.",
        model="eyes",
        modality="vision",
        asset_reads=["cover.png"],
        shared_state_writes=["look.palette"],
    )
    player = spec(
        "player",
        "listen",
        "look",
        description="A player that shows the tempo.",
        modality="code",
        shared_state_reads=["listen.words", "look.palette"],
    )
    story = spec(
        "story",
        "listen",
        "look",
        description="Tell the story of the tune, in its tempo.",
        modality="prose",
        asset_reads=["lyrics.txt"],
        shared_state_reads=["listen.words"],
    )
    return plan(
        listener,
        viewer,
        player,
        story,
        name="Album",
        goal="A page about a tune and its cover.",
        guidelines=["Write warmly."],
        glossary=[
            {
                "term": "tempo",
                "meaning": "how fast the music goes",
                "domains": {"code": "bpm", "prose": "pace", "vision": "rhythm of colours"},
            }
        ],
    )


def palette() -> dict[str, Any]:
    return {"look.palette": {"summary": "Two blues.", "keys": ["deep_blue", "pale_blue"]}}


def build(stage: str, module: str, prompt: str) -> str:
    """Answer as a good worker of any kind."""
    if stage == "assemble":
        parts = json.loads(read_fences(prompt)["modules"])
        links = "".join(f"- [{path}]({path})\n" for part in parts for path in part["files"])
        return f"````markdown path=README.md\n# Album\n\n{links}````"
    if stage == "agree":
        return fenced(palette())
    if module == "look":
        return file_block("palette.md", "deep_blue and pale_blue")
    return file_block(f"{module}.md", f"# {module}\n")


@dataclass
class Studio:
    """The servers by member, and the plan that the architect answers."""

    plan: dict[str, Any]
    servers: dict[str, ModelServer] = field(default_factory=dict)

    def prompts(self, member: str, stage: str, module: str = "") -> list[str]:
        """Return the texts that a member was asked with."""
        asked = [_text(body) for body in self.servers[member].requests]
        head = f"Stage: {stage}" + (f"\nModule: {module}" if module else "")
        return [text for text in asked if text.startswith(head)]

    def pictures(self, member: str) -> list[bytes]:
        """Return the pictures that a member was sent."""
        parts = [part for body in self.servers[member].requests for part in _parts(body) if part["type"] == "image_url"]
        return [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in parts]

    def forget(self) -> None:
        for server in self.servers.values():
            server.requests.clear()


def _parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    content = body["messages"][-1]["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(body: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in _parts(body))


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Start a server for each member and write the settings that lead there."""
    made = Studio(album(speech_model(tmp_path / "wav2vec2")))

    def author(stage: str, module: str, prompt: str) -> str:
        return fenced(made.plan) if stage == "plan" else build(stage, module, prompt)

    def boss(stage: str, module: str, prompt: str) -> str:
        return "A long song of the sea and the harbour that answers."

    answers = {"author": author, "eyes": build, "boss": boss, "critic": lambda *_: fenced({"findings": []})}
    with ExitStack() as stack:
        for name, answer in answers.items():
            made.servers[name] = stack.enter_context(serving(openai_app, ModelServer(answer)))
        settings = SETTINGS.format(**{name: server.url for name, server in made.servers.items()})
        (tmp_path / "matrioska.toml").write_text(settings)
        yield made
        for server in made.servers.values():
            server.leave()


@pytest.fixture
def assets(tmp_path: Path) -> list[Path]:
    """Make a sound, a picture and a text."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with wave.open(str(folder / "tune.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(b"".join(struct.pack("<h", int(9_000 * math.sin(n / 6))) for n in range(16_000)))
    Image.new("RGB", (320, 200), (20, 40, 120)).save(folder / "cover.png")
    (folder / "lyrics.txt").write_text(LYRICS)
    return [folder / name for name in ("tune.wav", "cover.png", "lyrics.txt")]


def test_each_kind_of_work_is_told_only_what_is_its_own(cli, studio: Studio, assets: list[Path]) -> None:
    given = [option for path in assets for option in ("--asset", str(path))]
    ended = cli("run", "-t", "one", "--json", *given, TASK)
    assert ended.code == 0, ended.err
    assert ended.json["status"] == "complete", ended.json
    # The architect saw what there is, and no content.
    inventory = read_fences(studio.prompts("author", "plan")[0])["assets"]
    assert all(name in inventory for name in ("tune.wav", "cover.png", "lyrics.txt"))
    # The picture went to the eyes, as it is, and to nobody else.
    (picture, *_) = studio.pictures("eyes")
    assert Image.open(io.BytesIO(picture)).size == (320, 200)
    assert not any(studio.pictures(member) for member in ("author", "boss", "critic"))
    player, story = studio.prompts("author", "produce", "player")[0], studio.prompts("author", "produce", "story")[0]
    words = cli("show", "one", "listen", "--json").json["result"]["values"]["listen.words"]
    assert "tune.wav" in json.dumps(words)
    for prompt in (player, story):
        assert "listen.words" in json.loads(read_fences(prompt)["values"])
    assert "deep_blue" in player
    assert "deep_blue" not in story
    assert ("Write warmly." in story, "Write warmly." in player) == (True, False)
    assert "harbour" not in player
    assert ("bpm" in player, "pace" in player) == (True, False)
    assert ("pace" in story, "bpm" in story) == (True, False)
    # The lyrics were too long for the story's package: the boss condensed them.
    record = cli("show", "one", "story", "--json").json["result"]["context"]
    assert sum(record["included"].values()) <= 1_400
    assert [entry["by"] for name, entry in record["compressed"].items() if "lyrics.txt" in name] == ["openai:boss"]
    assert "the harbour that answers." in story
    assert len(studio.servers["boss"].requests) == 1


def test_a_second_run_of_the_project_starts_from_what_the_first_left(
    cli, studio: Studio, assets: list[Path], tmp_path: Path
) -> None:
    given = [option for path in assets for option in ("--asset", str(path))]
    assert cli("run", "-t", "one", "-q", *given, TASK).code == 0
    for path in assets:
        path.unlink()
    studio.forget()
    ended = cli("run", "-t", "two", "--json", "Another page for the album, in its tempo")
    assert ended.code == 0, ended.err
    fences = read_fences(studio.prompts("author", "plan")[0])
    assert "cover.png" in fences["assets"]
    assert "A page about a tune and its cover." in fences["memory"]
    assert "story" in fences["memory"]
    # What was condensed once is not condensed again.
    assert studio.servers["boss"].requests == []
    assert studio.pictures("eyes")
    story, player = studio.prompts("author", "produce", "story")[0], studio.prompts("author", "produce", "player")[0]
    # Each finds its own kind of work among what the first run left.
    assert "# story" in read_fences(story)["related"]
    assert "# player" not in read_fences(story)["related"]
    assert "# player" in read_fences(player)["related"]
    assert "# story" not in read_fences(player)["related"]
    shown = cli("context", "two", "--json").json
    assert shown["project"] == "album"
    found = cli("context", "two", "colours of the cover", "--json").json
    assert found["found"][0]["section"] == "look"
