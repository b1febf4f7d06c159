"""Plugins: what an installed package adds, and what a broken one cannot do."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from matrioska import plugins
from matrioska.hooks import hookimpl
from matrioska.models.gateway import Reply
from matrioska.models.providers import PROVIDERS, Provider, provider_of, providers
from matrioska.models.registry import parse_name
from matrioska.nodes.adapters.registry import ADAPTERS
from matrioska.nodes.checks.registry import CHECKS
from matrioska.prompts.render import TEMPLATES, render, template_source
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import UnknownModelError
from matrioska.state.results import Usage
from matrioska.store.exporters.registry import EXPORTERS
from matrioska.workers.base import ChatWorker, Job, Work
from matrioska.workers.plugins import WORKERS, workers
from tests.support import Author, plan, spec

KINDS = (WORKERS, PROVIDERS, ADAPTERS, CHECKS, EXPORTERS, TEMPLATES)
TEMPLATE = "<!-- system -->\nYou write {{ form }}.\n<!-- user -->\nStage: x\n\n{{ text | fence('text') }}\n"


class Echo:
    """A worker that says what it was asked."""

    reads_prompt = True

    async def answer(self, job: Job) -> Work:
        return Work(Reply(job.messages[-1].text, Usage()))


def brings(hook: str, **things: Any) -> Any:
    """Return a plugin that brings these things by one hook."""
    return returns(hook, things)


def returns(hook: str, given: Any) -> Any:
    """Return a plugin whose hook returns, or raises, what is given."""

    def implementation(self: object) -> Any:
        if isinstance(given, BaseException):
            raise given
        return given

    return type("Made", (), {hook: hookimpl(implementation)})()


class _Point(EntryPoint):
    """The entry point of a package that is not there."""

    def __init__(self, name: str, plugin: Any, package: str = "") -> None:
        super().__init__(name, f"{name}:plugin", "matrioska")
        found = type("Dist", (), {"name": package, "version": "1.0"})() if package else None
        vars(self).update(_plugin=plugin, dist=found)

    def load(self) -> Any:
        plugin = vars(self)["_plugin"]
        if isinstance(plugin, BaseException):
            raise plugin
        return plugin


Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install plugins for one test: by name, or as entry points."""

    def installed(*points: EntryPoint, **found: Any) -> None:
        every = [*points, *(_Point(name, plugin) for name, plugin in found.items())]
        monkeypatch.setattr(plugins, "entry_points", lambda *, group: every)
        plugins.forget()

    yield installed
    monkeypatch.undo()
    plugins.forget()


def faults() -> dict[str, list[str]]:
    """Return what is wrong with each plugin that something is wrong with."""
    return {plugin.name: plugin.faults for plugin in plugins.installed(KINDS) if plugin.faults}


THINGS: dict[str, tuple[plugins.Kind[Any], Any, str, str]] = {
    "matrioska_workers": (WORKERS, Echo(), "chat", "`async def answer(job)`"),
    "matrioska_models": (PROVIDERS, Provider("json", "Chat", "mine"), "openai", "is no `matrioska.models.providers"),
    "matrioska_adapters": (ADAPTERS, type("A", (), {"present": lambda *_: []})(), "code", "`present(material)`"),
    "matrioska_checks": (CHECKS, lambda checked: [], "syntax", "cannot be called"),
    "matrioska_exporters": (EXPORTERS, type("E", (), {"export": lambda *_: None})(), "zip", "`export(export, target)`"),
    "matrioska_prompts": (TEMPLATES, TEMPLATE, "architect", "is no text"),
}


@pytest.mark.parametrize("hook", THINGS)
def test_a_plugin_adds_and_cannot_take_a_name_over(install: Install, hook: str) -> None:
    kind, thing, taken, _ = THINGS[hook]
    install(parrot=brings(hook, mine=thing, **{taken: thing}))
    assert kind.all()["mine"] is thing
    assert kind.get("mine") is thing
    assert kind.all()[taken] is kind.get(taken) is kind.built_in[taken]
    assert faults() == {"parrot": [f"{hook}: {taken!r} is built in"]}
    assert plugins.installed(KINDS)[0].brings == {hook: ["mine"]}


@pytest.mark.parametrize("hook", THINGS)
def test_a_thing_of_the_wrong_kind_is_named_and_left_out(install: Install, hook: str) -> None:
    kind, good, _, complaint = THINGS[hook]
    wrong = type("Wrong", (), {"reads_prompt": True})()
    install(parrot=brings(hook, bad=wrong, good=good, whole=type(wrong)))
    assert set(kind.all()) - set(kind.built_in) == {"good"}
    first, second = faults()["parrot"]
    assert first.startswith(f"{hook}: 'bad' ") and complaint in first
    assert second == f"{hook}: 'whole' is the class Wrong: give an object of it"


@pytest.mark.parametrize("error", [ImportError("no module parrot"), ValueError("half installed"), SystemExit(3)])
def test_a_plugin_that_cannot_be_loaded_is_named_and_left_out(
    install: Install, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    install(broken=error, parrot=brings("matrioska_workers", echo=Echo()))
    with caplog.at_level(logging.WARNING, "matrioska.plugins"):
        assert "echo" in workers()
        workers()
    assert [record.getMessage() for record in caplog.records] == [
        f"The plugin broken is left out: {type(error).__name__}: {error}"
    ]


def test_an_interrupt_while_plugins_are_loaded_loses_none_of_them(install: Install) -> None:
    slow = _Point("a-slow-one", KeyboardInterrupt())
    install(slow, parrot=brings("matrioska_workers", echo=Echo()))
    with pytest.raises(KeyboardInterrupt):
        workers()
    vars(slow)["_plugin"] = brings("matrioska_workers", slow=Echo())
    assert {"slow", "echo"} < set(workers())


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (RuntimeError("not\ntoday\x1b[31m"), "matrioska_workers: RuntimeError: not today[31m"),
        (SystemExit("bye"), "matrioska_workers: SystemExit: bye"),
        (["echo"], "matrioska_workers: it returned a list, not a mapping of names"),
        (None, "matrioska_workers: it returned a NoneType, not a mapping of names"),
        ({"Echo!": Echo()}, "matrioska_workers: 'Echo!' is no name"),
        ({7: Echo()}, "matrioska_workers: 'int' is no name"),
        (type("Mute", (Exception,), {"__str__": lambda self: 1 / 0})(), "matrioska_workers: Mute: it cannot say why"),
    ],
)
def test_a_hook_that_fails_takes_nothing_from_the_others(install: Install, given: Any, complaint: str) -> None:
    install(broken=returns("matrioska_workers", given), parrot=brings("matrioska_workers", echo=Echo()))
    assert "echo" in workers()
    ((name, (told,)),) = faults().items()
    assert name == "broken" and told.startswith(complaint)


def test_an_error_without_end_is_cut(install: Install) -> None:
    install(broken=ImportError("x" * 10_000))
    assert len(faults()["broken"][0]) == 300


@pytest.mark.parametrize("nothing", [None, object(), "text", sys])
def test_what_is_no_plugin_is_named(install: Install, nothing: Any) -> None:
    install(empty=nothing, parrot=brings("matrioska_workers", echo=Echo()))
    assert "echo" in workers()
    assert faults() == {"empty": ["it implements no hook"]}


def test_a_hook_that_there_is_not_is_named_and_the_others_count(install: Install) -> None:
    plugin = brings("matrioska_workers", echo=Echo())
    type(plugin).matrioska_wrokers = hookimpl(lambda self: {})
    install(parrot=plugin)
    assert "echo" in workers()
    assert faults() == {"parrot": ["matrioska_wrokers: there is no such hook"]}


def test_a_hook_that_asks_for_arguments_is_left_out(install: Install) -> None:
    plugin = type("Greedy", (), {"matrioska_workers": hookimpl(lambda self, settings: {})})()
    install(greedy=plugin, parrot=brings("matrioska_workers", echo=Echo()))
    assert "echo" in workers()
    assert "settings" in faults()["greedy"][0]


def test_of_two_with_one_name_the_first_package_has_it(install: Install) -> None:
    first, second = Echo(), Echo()
    install(
        _Point("one", brings("matrioska_workers", echo=second), "zebra"),
        _Point("two", brings("matrioska_workers", echo=first), "ant"),
    )
    assert workers()["echo"] is first
    assert faults() == {"one": ["matrioska_workers: 'echo' is the name of one in the plugin 'two'"]}
    assert [(plugin.package, plugin.version) for plugin in plugins.installed(KINDS)] == [
        ("ant", "1.0"),
        ("zebra", "1.0"),
    ]


def test_two_plugins_of_one_name_do_not_mix(install: Install) -> None:
    install(
        _Point("same", brings("matrioska_workers", echo=Echo()), "ant"),
        _Point("same", brings("matrioska_workers", parrot=Echo()), "zebra"),
    )
    assert "echo" in workers() and "parrot" not in workers()
    assert [plugin.faults for plugin in plugins.installed(KINDS)] == [[], ["another plugin has this name"]]


@pytest.mark.parametrize("order", [{"trylast": True}, {"tryfirst": True}, {"wrapper": True}, {"hookwrapper": True}])
def test_no_order_of_calls_takes_a_name_over(install: Install, order: dict[str, bool]) -> None:
    def chat(self: object) -> Iterator[Any]:
        yield {"chat": Echo()}

    plain = order.keys() & {"trylast", "tryfirst"}
    function = (lambda self: {"chat": Echo()}) if plain else chat
    install(last=type("Last", (), {"matrioska_workers": hookimpl(**order)(function)})())
    assert isinstance(workers()["chat"], ChatWorker)
    assert "last" in faults()


def test_what_is_built_in_is_found_without_loading_a_plugin(install: Install) -> None:
    loaded = []

    class Slow(_Point):
        def load(self) -> Any:
            loaded.append(self.name)
            return brings("matrioska_models", slow=Provider("json", "Chat", "slow"))

    install(Slow("slow", None))
    assert provider_of("openai") is not None
    assert template_source("architect")
    assert loaded == []
    assert provider_of("slow") is not None
    assert loaded == ["slow"]


def test_a_plugin_that_asks_what_there_is_while_it_is_loaded_goes_in_no_circle(install: Install) -> None:
    seen: list[Mapping[str, Any]] = []

    class Curious(_Point):
        def load(self) -> Any:
            seen.append(workers())
            return brings("matrioska_workers", echo=Echo())

    install(Curious("curious", None))
    assert "echo" in workers()
    assert "chat" in seen[0] and "echo" not in seen[0]


def test_a_provider_of_a_plugin_serves_by_its_name(install: Install) -> None:
    install(mine=brings("matrioska_models", mine=Provider("json", "Chat", "mine")))
    assert parse_name("mine:large").provider == "mine"
    assert "mine" in providers()
    for reserved in ("embedded", "object"):
        install(mine=brings("matrioska_models", **{reserved: Provider("json", "Chat", "mine")}))
        assert faults() == {"mine": [f"matrioska_models: {reserved!r} is built in"]}
    with pytest.raises(UnknownModelError):
        parse_name("mine:large")


def test_a_template_of_a_plugin_is_rendered_in_the_sandbox(install: Install, tmp_path: Path) -> None:
    place = tmp_path / "haiku.md"
    place.write_text(TEMPLATE)
    install(poet=brings("matrioska_prompts", haiku=place))
    system, user = render("haiku", form="haiku", text="</data> {{ 7 * 7 }}")
    assert system.text == "You write haiku."
    assert "{{ 7 * 7 }}" in str(user.text)
    place.write_text(TEMPLATE.replace("haiku", "odes").replace("{{ form }}", "{{ form.__class__.__mro__ }}"))
    with pytest.raises(Exception, match=r"unsafe|undefined"):
        render("haiku", form="haiku", text="")
    with pytest.raises(LookupError, match="no template 'sonnet'"):
        render("sonnet")


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("You write.", "lacks its part"),
        ("<!-- system -->\n{% if %}\n<!-- user -->\nx", "cannot be looked at: TemplateSyntaxError"),
        (Path("/no/such/file.md"), "cannot be looked at: FileNotFoundError"),
    ],
)
def test_a_broken_template_is_named(install: Install, template: Any, complaint: str) -> None:
    install(poet=brings("matrioska_prompts", haiku=template))
    (fault,) = faults()["poet"]
    assert complaint in fault


def test_plugged_shows_one_plugin_alone_and_only_for_a_while(install: Install) -> None:
    install(parrot=brings("matrioska_workers", echo=Echo()))
    assert "echo" in workers()
    with plugins.plugged(brings("matrioska_workers", other=Echo())) as found:
        assert set(workers()) - set(WORKERS.built_in) == {"other"}
        assert (found.brings, found.faults) == ({"matrioska_workers": ["other"]}, [])
    assert set(workers()) - set(WORKERS.built_in) == {"echo"}


@pytest.mark.parametrize(
    ("given", "reason"), [(SystemExit(3), "SystemExit: 3"), ("Done.", "it returned a str, not a Work")]
)
async def test_a_worker_that_fails_takes_its_module_alone(given: Any, reason: str, tmp_path: Path) -> None:
    class Rogue:
        reads_prompt = True

        async def answer(self, job: Job) -> Any:
            if isinstance(given, BaseException):
                raise given
            return given

    author = Author(plan(spec("a", worker="rogue"), spec("b")))
    with plugins.plugged(brings("matrioska_workers", rogue=Rogue())):
        async with open_runs(tmp_path, RunContext(model=author.model, approval="auto")) as runs:
            results = (await runs.start("Write.")).values["results"]
    assert (results["a"]["status"], results["b"]["status"]) == ("failed", "done")
    assert results["a"]["error"]["message"] == f"The worker rogue failed: {reason}"
    assert "matrioska plugins" in results["a"]["error"]["next_step"]
