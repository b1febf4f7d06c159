"""``init``: a settings file in which every setting is explained."""

from __future__ import annotations

from matrioska.cli.main import COMPLETE
from matrioska.cli.text import command
from matrioska.cli.ui import Ui, use
from matrioska.i18n import N_, _
from matrioska.state.errors import UsageError
from matrioska.store.environment import load_environment
from matrioska.store.layout import unwritable
from matrioska.store.settings import config_path

#: Every line that sets something is commented out. Above the tables it shows the default.
SETTINGS_TEXT = N_(
    """\
# Settings of Matrioska. Take the "#" from a line to use it.
# An option on the command line comes first, then MATRIOSKA_* in the environment, then this file.
# Keys of hosted models stay in the environment or in a file .env beside this one (OPENAI_API_KEY=…),
# never here. `matrioska doctor` says of every model named here whether it can be used.

# Model for every role, "provider:model" or a member described below.
# "embedded" is rule-based and needs nothing.
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

# Times that what the critic finds in the whole goes back to the modules; 0 for no critic. The embedded
# model is no critic: without another model for that role, nothing is asked.
# review_rounds = 1

# Name of the project whose context repository runs read and add to. Without it, every run has its own.
# project = "album"

# Model that ranks what the repository holds by meaning: "huggingface:FOLDER" or "huggingface:org/model",
# "openai:…", "ollama:…". Without it, words are compared.
# embedder = "huggingface:sentence-transformers/all-MiniLM-L6-v2"

# Tokens that one module's context may take. Without it, the model's own window decides.
# token_budget = 8000

# Limits after which a run pauses and asks: tokens in all, US dollars, seconds at work. Without them, none.
# budget_tokens = 2000000
# budget_cost = 5.0
# timeout = 7200

# Where all that is said is kept, for `matrioska journal`: the address of a database, as SQLAlchemy takes it, or
# "off". Without it, a SQLite file below base_path. PostgreSQL: pip install 'matrioska[postgres]'. An address with
# a password belongs into MATRIOSKA_JOURNAL, not here.
# journal = "postgresql://matrioska@localhost/journal"

# Models for single roles. From here on, tables: nothing above may follow them.
# [roles]
# architect = "claude"
# boss = "gpt"
# worker = "house"
# critic = "house"
# assembler = "embedded"

# Members: models by a name of your own, for the roles above, --model, --role and single modules.
# Only "model" is needed. docs/models.md explains every field.

# A hosted model, with the key in ANTHROPIC_API_KEY, and another to ask while it cannot answer.
# [members.claude]
# model = "anthropic:claude-sonnet-4-5"
# max_tokens = 16000
# fallback = "gpt"

# [members.gpt]
# model = "openai:gpt-4o"
# requests_per_minute = 60
# slots = 4

# LM Studio: start its server there, or with `lms server start`.
# [members.house]
# model = "lmstudio:qwen2.5-coder-14b-instruct"
# context_window = 16384
# temperature = 0.2

# Ollama cuts prompts that are longer than context_window without a word: set it.
# [members.ollama]
# model = "ollama:qwen3:8b"
# context_window = 16384

# llama.cpp: llama-server -m MODEL.gguf -c 32768 --parallel 2
# [members.llama]
# model = "llamacpp:local"
# base_url = "http://127.0.0.1:8080/v1"
# context_window = 16384
# slots = 2

# vLLM on another machine of the house; the key is the one that it was started with.
# [members.farm]
# model = "vllm:Qwen/Qwen2.5-Coder-32B-Instruct"
# base_url = "http://192.168.1.20:8000/v1"
# api_key_env = "FARM_API_KEY"
# deadline = 1800
# idle_timeout = 600

# In this process, in 4 bits, from a folder or the Hugging Face hub at a fixed revision.
# [members.here]
# model = "huggingface:mistralai/Mistral-7B-Instruct-v0.3"
# max_tokens = 4000

# Any server that speaks OpenAI's protocol, with further arguments of LangChain's class and its prices.
# [members.other]
# model = "openai:some-model@https://models.example.org/v1"
# api_key_env = "EXAMPLE_API_KEY"
# attempts = 4
# seed = 7
# structured = "prompt"
# input_price = 0.5
# output_price = 1.5
# specialty = "long documents"
# modalities = ["prose"]
# options = { top_p = 0.9 }

# A GGUF file in this process: pip install 'matrioska[gguf]'
# [members.file]
# model = "gguf:models/qwen3-4b-q4.gguf"
# context_window = 8192

# The ensemble of `matrioska ask` and of the worker "ensemble": nodes of two models each, which vote.
# The synthesizer is the larger model that joins their answers; without one, they are joined as they are.
# A file can hold all this too: topology = "topology.json", and nothing else here.
# [ensemble]
# synthesizer = "claude"
# node_timeout = 120
# max_chunks = 20

# fitness is the share of right answers that you expect of a node; what it turns out to be is learnt.
# [[ensemble.nodes]]
# id = "first"
# model_a = "ollama"
# model_b = "house"
# tie_break = "gpt"
# cluster = "house"
# fitness = 0.5

# [[ensemble.nodes]]
# id = "second"
# model_a = "ollama:llama3.2"
# model_b = "ollama:gemma3:4b"

# The cascade: a tree of minds that divide a question, think about it and think their way up again. Without
# minds here there are six: Atlas, below it Nova (with Echo and Pixel) and Sage (with Quantum), all of them
# with the run's own model. docs/cascade.md tells more. One mind has no parent: it is the root.
# mind_timeout is the seconds that one call of a mind may take.
# [cascade]
# mind_timeout = 300

# model is a member, "provider:model", or "ensemble" for the vote of the nodes above; without it, the run's own.
# [[cascade.minds]]
# id = "atlas"
# name = "Atlas"
# role = "You coordinate: you weigh what the others say, and you decide."
# model = "claude"
# reflections = 1
# critique = true

# [[cascade.minds]]
# id = "nova"
# parent = "atlas"
# speciality = "the technical side: how things work, and what they take"
"""
)


def write_settings(*, force: bool) -> int:
    """Write the settings file where it is looked for, its comments in the language spoken; return the exit code."""
    ui = use(Ui())
    load_environment()
    path = config_path()
    try:
        with path.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(_(SETTINGS_TEXT))
    except FileExistsError as error:
        raise UsageError(
            f"There is a settings file already: {path.absolute()}.",
            next_step=f"Edit it, or replace it with `{command('init', '--force')}`.",
        ) from error
    except OSError as error:
        raise unwritable(path, error) from error
    ui.out.print(f"✓ {path.absolute()}", soft_wrap=True)
    ui.say(_("Every setting is in it, commented out, with examples for models."))
    return COMPLETE
