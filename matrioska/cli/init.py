"""``init``: a settings file in which every setting is explained."""

from __future__ import annotations

from matrioska.cli.main import COMPLETE
from matrioska.cli.text import command
from matrioska.cli.ui import Ui, use
from matrioska.state.errors import UsageError
from matrioska.store.layout import unwritable
from matrioska.store.settings import config_path

#: Every line that sets something is commented out and shows the default.
SETTINGS_TEXT = """\
# Settings of Matrioska. Take the "#" from a line to use it.
# An option on the command line comes first, then MATRIOSKA_* in the environment, then this file.
# Keys of hosted models stay in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY), never here.

# Model for every role, "provider:model". "embedded" is rule-based and needs nothing.
# Others: "openai:…", "anthropic:…", "ollama:…", "lmstudio:…", "llamacpp:…", "vllm:…", "huggingface:…".
# model = "embedded"

# "ask" pauses for your approval at the plan and at failures; "auto" never pauses.
# approval = "ask"

# Treat every task as one module, with no planning call.
# direct = false

# Folder that holds artifacts, checkpoints and results.
# base_path = "."

# Language of the deliverable, such as "en" or "pt". Without it, the architect follows the task.
# language = "en"

# Module stages that may work at the same time.
# slots = 8

# Corrections asked of a module before its faults are reported.
# max_mends = 2

# Corrections asked of the architect before its plan is refused.
# plan_repairs = 2

# Times that references which do not resolve go back to their modules.
# refine_rounds = 2

# Tokens that one module's context may take. Without it, the model's own window decides.
# token_budget = 8000

# Models for single roles. This part has to stay last.
# [roles]
# architect = "anthropic:claude-sonnet-4-5"
# boss = "embedded"
# worker = "embedded"
# critic = "embedded"
# assembler = "embedded"
"""


def write_settings(*, force: bool) -> int:
    """Write the settings file where it is looked for; return the exit code."""
    ui = use(Ui())
    path = config_path()
    try:
        with path.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(SETTINGS_TEXT)
    except FileExistsError as error:
        raise UsageError(
            f"There is a settings file already: {path.absolute()}.",
            next_step=f"Edit it, or replace it with `{command('init', '--force')}`.",
        ) from error
    except OSError as error:
        raise unwritable(path, error) from error
    ui.out.print(f"✓ {path.absolute()}", soft_wrap=True)
    ui.say("Every setting is in it, commented out, with its default.")
    return COMPLETE
