"""Modules: promises kept, values heeded, edits of the plan honoured, files that fit together."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from matrioska.models.embedded.webapp.texts import TEXTS
from matrioska.nodes.checks.contract import honour_complaints, value_complaints
from matrioska.nodes.checks.files import file_complaints
from matrioska.nodes.checks.syntax import syntax_complaint
from matrioska.state.answers import parse_files, parse_json_object
from matrioska.state.architecture import UNDETERMINED, Architecture, ModuleSpec
from matrioska.state.artifacts import SourceFile
from tests.models.embedded.simulation import BIBLIOTECA, LIBRARY, REACT, Simulation, ask, build, plan_for

_TASKS = [
    LIBRARY,
    REACT,
    BIBLIOTECA,
    "a todo app with tasks (title, due date, priority) without login",
    "Crie um sistema para clínica veterinária",
    "App with wines (name, vintage year, rating) and tastings (wine, date, notes)",
]
_NAME_LISTS = ("ids", "classes", "functions", "keys", "files")


@pytest.mark.parametrize("task", _TASKS)
def test_every_promise_is_kept(task: str) -> None:
    run, files = build(task)
    for spec in run.plan.modules:
        own = {path: text for path, text in files.items() if path.startswith(f"{spec.id}/")}
        assert own
        sources = [SourceFile(path=path.removeprefix(f"{spec.id}/"), text=text) for path, text in own.items()]
        values = {key: run.board[key] for key in spec.shared_state_writes}
        assert value_complaints(values, spec.shared_state_writes) == []
        assert honour_complaints(spec.id, values, sources) == []
        everything = "\n".join(own.values())
        for key in spec.shared_state_writes:
            value = run.board[key]
            for kind in _NAME_LISTS:
                for name in value.get(kind, []):
                    assert name in (own if kind == "files" else everything), f"{spec.id} promised {kind} {name}"


@pytest.mark.parametrize("task", _TASKS)
def test_files_are_whole_and_fit_together(task: str) -> None:
    _, files = build(task)
    sources = [SourceFile(path=path, text=text) for path, text in files.items()]
    assert file_complaints(sources) == []
    assert [complaint for source in sources for complaint in syntax_complaint(source)] == []
    for path, text in files.items():
        if path.endswith(".html"):
            for target in re.findall(r'(?:src|href)="([^"#:]+)"', text):
                assert _resolved(path, target) in files, f"{path} refers to {target}"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", "\n".join(files.values()))
    assert "innerHTML" not in "\n".join(files.values())


def _resolved(path: str, target: str) -> str:
    folder = path.split("/")[:-1]
    for part in target.split("/"):
        folder = folder[:-1] if part == ".." else [*folder, part]
    return "/".join(folder)


@pytest.mark.parametrize("task", [LIBRARY, f"{LIBRARY}, without login and without dashboard"])
def test_every_class_of_the_style_sheets_is_used_and_every_used_one_defined(task: str) -> None:
    _, files = build(task)
    sheets = "\n".join(text for path, text in files.items() if path.endswith(".css"))
    style = re.sub(r"/\*.*?\*/", "", sheets, flags=re.DOTALL)
    defined = set(re.findall(r"\.([a-z][\w-]*)(?=[^{}]*\{)", style))
    others = "\n".join(text for path, text in files.items() if path.endswith((".js", ".html")))
    words = set(re.findall(r"[a-z][\w-]*", others))
    assert defined <= words
    used = {name for group in re.findall(r'class(?:=|: )"([^"]+)"', others) for name in group.split()}
    assert used <= defined


def test_every_text_the_scripts_ask_for_exists_in_both_languages() -> None:
    _, files = build(LIBRARY)
    scripts = "\n".join(text for path, text in files.items() if path.endswith(".js"))
    keys = set(re.findall(r"""\bt\("(\w+)\"""", scripts))
    assert len(keys) > 50
    for language in ("en", "pt"):
        assert keys <= set(TEXTS[language])
        assert all(TEXTS[language].values())
    slots = {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in TEXTS["en"].items()}
    assert slots == {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in TEXTS["pt"].items()}


def test_values_asked_for_with_the_files_come_in_a_contract_block() -> None:
    run = Simulation(plan_for(LIBRARY))
    run.produce("domain-model", wanted=["domain"])
    assert [entity["name"] for entity in run.board["domain"]["entities"]] == ["book", "member", "loan"]


def test_an_edited_domain_value_reaches_every_file_that_reads_it() -> None:
    run = Simulation(plan_for(LIBRARY))
    run.agree_all()
    book = run.board["domain"]["entities"][0]
    book["fields"].insert(1, {"name": "shelf", "label": "Shelf mark", "type": "text"})
    assert "Shelf mark" in run.produce("domain-model")["schema.js"]
    assert '"shelf"' in run.produce("records-book")["page.js"]
    assert "Shelf mark" in run.produce("documentation")["guide.html"]


def test_a_new_entity_in_the_domain_value_is_shown_by_the_guide() -> None:
    run = Simulation(plan_for(LIBRARY))
    run.agree_all()
    run.board["domain"]["entities"].append({"name": "shelf", "plural": "Shelves", "fields": ["code", "room"]})
    assert "Shelves" in run.produce("documentation")["guide.html"]
    assert '"name": "shelf"' in run.produce("domain-model")["schema.js"]


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, {"entities": "none"}, {"entities": [{"name": "!!"}, 3]}])
def test_a_useless_value_falls_back_to_the_brief(value: Any) -> None:
    run = Simulation(plan_for(LIBRARY))
    run.agree_all()
    run.board["domain"] = value
    assert '"loan"' in run.produce("records-loan")["page.js"]
    assert "Loans" in run.produce("documentation")["guide.html"]


def test_missing_values_are_computed() -> None:
    run = Simulation(plan_for(LIBRARY))
    files = run.produce("app-shell")
    assert "../records-loan/page.js" in files["index.html"]
    assert "../design-system/style.css" in files["index.html"]


def test_a_module_taken_out_of_the_plan_is_not_loaded() -> None:
    plan = plan_for(LIBRARY).model_dump()
    plan["modules"] = [spec for spec in plan["modules"] if spec["id"] != "dashboard"]
    shell = plan["modules"][-1]
    shell["dependencies"].remove("dashboard")
    shell["shared_state_reads"].remove("dashboard")
    run = Simulation(Architecture.model_validate(plan))
    run.agree_all()
    assert "dashboard/" not in run.produce("app-shell")["index.html"]


def _edited(module_id: str, task: str = LIBRARY, **changes: Any) -> Simulation:
    plan = plan_for(task)
    spec = plan.module(module_id)
    for name, value in changes.items():
        setattr(spec, name, getattr(spec, name) + value)
    run = Simulation(plan)
    run.agree_all()
    return run


def test_a_rule_about_colour_changes_the_style() -> None:
    before = _edited("design-system").produce("design-system")["style.css"]
    after = _edited("design-system", rules=["Use #B00020 as the accent."]).produce("design-system")["style.css"]
    blue = _edited("design-system", BIBLIOTECA, rules=["Cor de destaque: azul"]).produce("design-system")["style.css"]
    assert "--accent: #b00020" in after and "#b00020" not in before
    assert "--accent: #2457d6" in blue


def test_a_description_that_names_a_field_adds_it() -> None:
    run = _edited("domain-model", description=" Books also have a shelf number.")
    names = [field["name"] for field in run.board["domain"]["entities"][0]["fields"]]
    assert "shelf_number" in names
    assert "shelf_number" in run.produce("domain-model")["schema.js"]
    assert "shelf_number" in run.produce("records-book")["page.js"] or len(names) > 6


def test_a_field_list_edited_in_the_description_is_followed() -> None:
    plan = plan_for(LIBRARY)
    spec = plan.module("domain-model")
    assert "Copies)" in spec.description
    spec.description = spec.description.replace("Copies)", "Copies, Shelf mark)")
    value = Simulation(plan).agree("domain-model")["domain"]
    assert [field["label"] for field in value["entities"][0]["fields"]][-1] == "Shelf mark"
    assert len(value["entities"]) == 3


def test_a_wish_about_a_page_is_no_field() -> None:
    run = _edited("domain-model", rules=["Add a print button to loans"])
    assert run.board["domain"]["entities"] == _edited("domain-model").board["domain"]["entities"]


def test_a_rule_for_the_guide_is_in_the_guide() -> None:
    run = _edited("documentation", rules=["Loans last 14 days."])
    assert "Loans last 14 days." in run.produce("documentation")["guide.html"]


def test_a_title_in_the_spec_is_taken() -> None:
    run = _edited("app-shell", rules=["Title: Reading Room"])
    assert "<title>Reading Room</title>" in run.produce("app-shell")["index.html"]


def test_another_project_name_is_shown_and_keeps_the_data() -> None:
    plan = plan_for(LIBRARY)
    run = Simulation(plan.model_copy(update={"name": "Reading Room"}))
    run.agree_all()
    assert "Reading Room" in run.produce("domain-model")["schema.js"]
    assert run.board["store"]["keys"] == ["library-management-system.data.v1"]


def test_a_constraint_that_a_person_adds_counts() -> None:
    plan = plan_for(LIBRARY)
    plan.constraints.append("Use a purple theme")
    run = Simulation(plan)
    run.agree_all()
    assert run.board["design"]["accent"] == "#6d3fc4"


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ({"id": "help-page", "description": "Explains how loans are renewed."}, "index.html", "how loans are renewed"),
        ({"id": "legal", "description": "Terms of use in terms.md. No warranty."}, "terms.md", "No warranty"),
        ({"id": "print", "description": "For paper.", "outputs": ["print.css"]}, "print.css", "For paper"),
    ],
)
def test_an_unknown_module_is_written_from_its_spec(spec: dict[str, Any], path: str, words: str) -> None:
    plan = plan_for(LIBRARY)
    added = ModuleSpec.model_validate(
        {**spec, "dependencies": ["design-system"], "shared_state_reads": ["design"], "shared_state_writes": ["extra"]}
    )
    run = Simulation(plan.model_copy(update={"modules": [*plan.modules, added]}))
    run.agree_all()
    files = run.produce(added.id)
    assert words in files[path]
    assert run.board["extra"]["files"] == [f"{added.id}/{path}"]
    assert not [c for name, text in files.items() for c in syntax_complaint(SourceFile(path=name, text=text))]


def test_an_extra_page_is_linked_by_the_shell_that_reads_it() -> None:
    plan = plan_for(LIBRARY)
    added = ModuleSpec(id="help-page", description="Explains loans.", shared_state_writes=["help"])
    plan.modules.insert(0, added)
    plan.module("app-shell").shared_state_reads.append("help")
    run = Simulation(plan)
    run.agree_all()
    assert "../help-page/index.html" in run.produce("app-shell")["index.html"]


def test_mending_takes_a_link_to_nowhere_out() -> None:
    run = Simulation(plan_for(LIBRARY))
    run.agree_all()
    run.board["guide"]["files"] = ["documentation/other.js"]
    before = run.produce("app-shell")["index.html"]
    after = run.mend("app-shell", "index.html loads '../documentation/other.js', which does not exist.")["index.html"]
    assert "other.js" in before and "other.js" not in after
    assert "../domain-model/schema.js" in after


def test_mending_values_gives_exactly_the_keys() -> None:
    run = Simulation(plan_for(LIBRARY))
    spec = run.plan.module("auth")
    answer = ask(
        "mend",
        answering="values",
        spec=spec,
        wanted=["auth"],
        sections=run.sections(spec),
        present="",
        complaints=["'auth' is missing."],
    )
    assert list(parse_json_object(answer)) == ["auth"]


def test_a_task_in_one_piece_is_the_whole_application() -> None:
    for task, word in ((LIBRARY, "Books"), (BIBLIOTECA, "Livros")):
        spec = ModuleSpec(id="deliverable", description="Do the whole task of the project's goal.")
        run = Simulation(Architecture(name=task, goal=task, language=UNDETERMINED, modules=[spec]))
        files = run.produce("deliverable")
        assert word in files["domain-model/schema.js"]
        for target in re.findall(r'(?:src|href)="([^"#:]+)"', files["index.html"]):
            assert target in files
        assert _resolved("documentation/guide.html", "../index.html") in files


def test_the_readme_names_only_what_exists() -> None:
    run, files = build(REACT)
    modules = [
        {"id": spec.id, "name": spec.name, "files": [path for path in files if path.startswith(f"{spec.id}/")]}
        for spec in run.plan.modules
    ]
    project = {"name": run.plan.name, "goal": run.plan.goal, "language": "en"}
    values = {"entry_point": "app-shell/index.html", "modules": modules, "missing": ["Charts"], "complaints": []}
    [readme] = parse_files(ask("assemble", project=project, **values))
    assert readme.path == "README.md"
    assert set(re.findall(r"\]\(([^)]+)\)", readme.text)) <= set(files)
    for word in ("React", "JWT", "Charts", "rules", "app-shell/index.html"):
        assert word in readme.text


def test_samples_are_valid_records() -> None:
    _, files = build(LIBRARY)
    page = files["records-loan/page.js"]
    rows = [json.loads(line.strip().rstrip(",")) for line in page.splitlines() if line.strip().startswith('{"')]
    assert len(rows) == 12
    assert all(row["loan_date"] < row["due_date"] for row in rows)
    assert {row["status"] for row in rows} <= {"Borrowed", "Returned", "Overdue"}
    assert len({row["book"] for row in rows}) >= 5


def test_later_calls_are_cheap_and_the_same() -> None:
    import time

    run = Simulation(plan_for(LIBRARY))
    run.agree_all()
    first = {spec.id: run.produce(spec.id) for spec in run.plan.modules}
    times = [time.process_time()]
    for spec in run.plan.modules:
        assert run.produce(spec.id) == first[spec.id]
        times.append(time.process_time())
    assert max(after - before for before, after in pairwise(times)) < 0.05


def test_text_of_the_task_cannot_leave_its_string() -> None:
    task = 'Build a book app called "</title><img src=x onerror=alert(1)>"'
    _, files = build(task)
    assert "</title><img" not in files["app-shell/index.html"]
    assert "&lt;/title&gt;&lt;img" in files["app-shell/index.html"]
    assert "</title>" not in files["domain-model/schema.js"]
