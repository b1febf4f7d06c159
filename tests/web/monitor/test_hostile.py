"""Names that would be properties of an element, were they parsed as such."""

from __future__ import annotations

from nicegui import ui

from tests.web.monitor.desks import FakeDesk, question_of, run_of

#: Taken for properties, it would put markup into an element and a script beside it.
NAME = "x innerHTML=<img/src=x/onerror=owned()> onclick=owned() :style=owned() data-owned=yes"


async def test_names_of_minds_are_never_read_as_properties(looking_at) -> None:
    asked = question_of(NAME)
    asked.minds[0].id, asked.minds[1].parent = NAME, NAME
    async with looking_at(FakeDesk(run_of(1), asked)) as user:
        await user.open("/question/the-question")
        await user.should_see(NAME)
        elements = user.find(ui.element).elements
        assert any(NAME in str(element.props.get("data-testid")) for element in elements)
        assert not [name for element in elements for name in element.props if "owned" in name or name == "innerHTML"]
