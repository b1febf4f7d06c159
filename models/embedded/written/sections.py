"""Which sections a document has, and the parts of them that are computed: phases, requirements, criteria."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from matrioska.models.embedded.written.reading import DocumentPlan, plain
from matrioska.state.ids import slug

#: Module ids that sections may not take.
RESERVED = frozenset({"outline", "edition", "glossary"})


@dataclass(frozen=True)
class Section:
    """A section: a module of the plan, written by the macro ``template`` of the form's template."""

    id: str
    title: str
    template: str
    topic: str = ""
    """Part of the task that the section is about, for sections made per topic or item."""


@dataclass(frozen=True)
class Criterion:
    """Something to compare by."""

    name: str
    question: str
    weight: int
    """Percent."""


@dataclass(frozen=True)
class Phase:
    """A stretch of a plan, in the plan's unit of time."""

    name: str
    goal: str
    first: int
    last: int


_FIXED: dict[str, list[tuple[str, str, str]]] = {
    "plan": [
        ("overview", "Goal and scope", "Objetivo e escopo"),
        ("phases", "Phases and timetable", "Fases e cronograma"),
        ("tasks", "Work to be done", "Trabalho a fazer"),
        ("resources", "People and budget", "Pessoas e orçamento"),
        ("risks", "Risks", "Riscos"),
        ("checkpoints", "Checkpoints and measures", "Marcos e medidas"),
    ],
    "specification": [
        ("scope", "Purpose and scope", "Propósito e escopo"),
        ("users", "Users and roles", "Usuários e papéis"),
        ("requirements", "Functional requirements", "Requisitos funcionais"),
        ("qualities", "Quality requirements", "Requisitos de qualidade"),
        ("traceability", "Traceability and acceptance", "Rastreabilidade e aceitação"),
        ("questions", "Open questions", "Questões em aberto"),
    ],
    "guide": [
        ("before", "Before you begin", "Antes de começar"),
        ("steps", "The steps", "Os passos"),
        ("checklist", "Checklist", "Lista de verificação"),
        ("trouble", "When something goes wrong", "Quando algo dá errado"),
    ],
}

_PHASES: tuple[tuple[str, list[tuple[str, str, str, str]]], ...] = (
    (
        r"learn\w*|stud(?:y|ies|ying)|course|exam|aprend\w+|estud\w+|curso|prova|lesson|aula",
        [
            (
                "Find the starting point",
                "Know what is known already",
                "Achar o ponto de partida",
                "Saber o que já se sabe",
            ),
            ("Foundations", "Understand the basic terms", "Fundamentos", "Entender os termos básicos"),
            ("Practice", "Do exercises with rising difficulty", "Prática", "Fazer exercícios cada vez mais difíceis"),
            ("Apply", "Finish one real piece of work", "Aplicação", "Concluir um trabalho real"),
            ("Review", "Close the gaps that showed", "Revisão", "Fechar as lacunas que apareceram"),
        ],
    ),
    (
        r"event|wedding|party|conference|trip|travel|journey|vacation|holiday|evento|casamento|festa|conferencia|viagem|ferias",
        [
            (
                "Decide the frame",
                "Date, place, number of people, budget",
                "Definir a moldura",
                "Data, lugar, pessoas, orçamento",
            ),
            (
                "Book what is scarce",
                "Nothing essential is left open",
                "Reservar o que é escasso",
                "Nada essencial em aberto",
            ),
            ("Prepare", "Everything needed is at hand", "Preparar", "Tudo o que é preciso está à mão"),
            ("Carry out", "It takes place as agreed", "Realizar", "Acontece como combinado"),
            (
                "Close",
                "Bills paid, thanks given, lessons noted",
                "Encerrar",
                "Contas pagas, agradecimentos, lições anotadas",
            ),
        ],
    ),
    (
        r"",
        [
            (
                "Understand",
                "The need and its limits are agreed",
                "Entender",
                "A necessidade e seus limites estão acordados",
            ),
            (
                "Design",
                "The way is chosen and checked on paper",
                "Projetar",
                "O caminho está escolhido e conferido no papel",
            ),
            ("Do", "The main work is done", "Fazer", "O trabalho principal está feito"),
            (
                "Check",
                "The result is tried by those it is for",
                "Verificar",
                "O resultado foi testado por quem o usará",
            ),
            ("Hand over", "It is in use and someone looks after it", "Entregar", "Está em uso e alguém cuida dele"),
        ],
    ),
)
_SHARES = (0.15, 0.2, 0.4, 0.15, 0.1)
_GUESSED_DAYS = 84
_LONGEST_IN_DAYS = 21

_CRITERIA: tuple[tuple[str, list[tuple[str, str, str, str]]], ...] = (
    (
        r"sql|database|framework|language|library|cloud|software|tool|python|java\w*|react|vue|linux|windows|api|"
        r"app|server|docker|kubernetes|banco de dados|linguagem|ferramenta|biblioteca|servidor",
        [
            ("Total cost", "Custo total",
             "What is paid in the first year and in the third, work included?",
             "Quanto se paga no primeiro ano e no terceiro, trabalho incluído?"),
            ("Fit with what the team knows", "Adequação ao que a equipe conhece",
             "How many days until the first useful result?", "Quantos dias até o primeiro resultado útil?"),
            ("Effort to run and maintain", "Esforço de operação e manutenção",
             "How many hours a month, and who does them?", "Quantas horas por mês, e de quem?"),
            ("Performance under the expected load", "Desempenho na carga esperada",
             "What does a trial with your own data and load show?",
             "O que mostra um teste com seus dados e sua carga?"),
            ("Ecosystem and support", "Ecossistema e suporte",
             "Who answers, how fast, and what exists already?", "Quem responde, em quanto tempo, e o que já existe?"),
            ("Cost of leaving it later", "Custo de abandoná-lo depois",
             "What would have to be rewritten or exported?", "O que teria de ser reescrito ou exportado?"),
        ],
    ),
    (
        r"",
        [
            ("Cost over its whole life", "Custo ao longo da vida",
             "What is paid to buy, use, repair and dispose of it?",
             "Quanto se paga para comprar, usar, consertar e descartar?"),
            ("Fit with the purpose", "Adequação ao propósito",
             "Which of the needs does it meet on the first day?", "Que necessidades atende no primeiro dia?"),
            ("Ease of use", "Facilidade de uso",
             "What can the least experienced user do without help?", "O que o usuário menos experiente faz sem ajuda?"),
            ("Reliability", "Confiabilidade",
             "How often does it fail, and what happens then?", "Com que frequência falha, e o que acontece então?"),
            ("Effort to change later", "Esforço para mudar depois",
             "What does it take to go back on the choice?", "O que é preciso para voltar atrás na escolha?"),
        ],
    ),
)  # fmt: skip


def sections(document: DocumentPlan, *, portuguese: bool) -> list[Section]:
    """Return the sections in reading order."""
    if document.form in _FIXED:
        return [Section(name, pt if portuguese else en, name) for name, en, pt in _FIXED[document.form]]
    if document.form == "comparison":
        return _comparison(document, portuguese)
    if document.form == "article":
        return _article(document, portuguese)
    return []


@dataclass(frozen=True)
class Aspect:
    """A part of an article whose task names no parts: title and questions, in English and Portuguese."""

    titles: tuple[str, str]
    questions: tuple[tuple[str, ...], tuple[str, ...]]


ASPECTS = (
    Aspect(
        ("Background", "Contexto"),
        (
            ("What exactly is meant by it, and what is often mixed up with it?", "How did it come about, and when?",
             "Which words must a reader know to follow the rest?"),
            ("O que exatamente se entende por isso, e com que costuma ser confundido?", "Como surgiu, e quando?",
             "Que palavras o leitor precisa conhecer para seguir o resto?"),
        ),
    ),
    Aspect(
        ("The situation today", "A situação hoje"),
        (
            ("Which numbers describe it, from whom, of which date?", "Where and for whom is it different?",
             "What has changed in the last years, and what has not?"),
            ("Que números o descrevem, de quem, de que data?", "Onde e para quem é diferente?",
             "O que mudou nos últimos anos, e o que não?"),
        ),
    ),
    Aspect(
        ("Effects", "Efeitos"),
        (
            ("What follows from it, and how would one know that it is the cause?", "Who gains, who pays?",
             "What would be different without it?"),
            ("O que resulta disso, e como se saberia que é a causa?", "Quem ganha, quem paga?",
             "O que seria diferente sem isso?"),
        ),
    ),
    Aspect(
        ("Points of dispute", "Pontos em disputa"),
        (
            ("On what do those who know it well disagree?", "What is the best argument of each side, in its own words?",
             "Which finding would settle the matter?"),
            ("Em que discordam os que o conhecem bem?", "Qual é o melhor argumento de cada lado, em suas palavras?",
             "Que descoberta resolveria a questão?"),
        ),
    ),
)  # fmt: skip


#: What a guide or a specification goes through when the task names no parts, to be made specific.
_GENERAL_PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "guide": (
        ("Prepare", "Preparar"),
        ("Do a small part first", "Fazer primeiro uma parte pequena"),
        ("Do the rest", "Fazer o resto"),
        ("Check the result", "Conferir o resultado"),
    ),
    "specification": (
        ("take in what it works on", "receber aquilo com que trabalha"),
        ("do its main work", "fazer o seu trabalho principal"),
        ("show the result", "mostrar o resultado"),
        ("say what went wrong", "dizer o que deu errado"),
        ("keep a record of what was done", "registrar o que foi feito"),
    ),
}


def parts(document: DocumentPlan, *, portuguese: bool) -> list[str]:
    """Return the parts that the task names, else those that every document of its form has."""
    general = [pt if portuguese else en for en, pt in _GENERAL_PARTS.get(document.form, ())]
    return list(document.topics) or general or [document.subject]


def _comparison(document: DocumentPlan, portuguese: bool) -> list[Section]:
    def say(en: str, pt: str) -> str:
        return pt if portuguese else en

    taken = {"question", "criteria", "matrix", "decision", *RESERVED}
    items = [Section(_id(item, taken), item, "item", item) for item in document.items]
    return [
        Section("question", say("The question", "A pergunta"), "question"),
        Section("criteria", say("Criteria", "Critérios"), "criteria"),
        *items,
        Section("matrix", say("Decision matrix", "Matriz de decisão"), "matrix"),
        Section("decision", say("How to decide", "Como decidir"), "decision"),
    ]


def _article(document: DocumentPlan, portuguese: bool) -> list[Section]:
    def say(en: str, pt: str) -> str:
        return pt if portuguese else en

    taken = {"introduction", "conclusion", "sources", *RESERVED}
    if document.topics:
        parts = [Section(_id(topic, taken), _capital(topic), "topic", topic) for topic in document.topics]
    else:
        titles = [(aspect.titles[0], aspect.titles[portuguese]) for aspect in ASPECTS]
        parts = [Section(_id(english, taken), title, "aspect", title) for english, title in titles]
    return [
        Section("introduction", say("Introduction", "Introdução"), "introduction"),
        *parts,
        Section("conclusion", say("Conclusion", "Conclusão"), "conclusion"),
        Section("sources", say("What to look up", "O que pesquisar"), "sources"),
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _id(text: str, taken: set[str]) -> str:
    """Return a module id that no other section has."""
    base = slug(text, 28) or "part"
    base = base if base[0].isalpha() else f"part-{base}"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def phases(document: DocumentPlan, *, portuguese: bool) -> list[Phase]:
    """Return the phases of a plan: consecutive, without gaps, as long together as the plan."""
    text = plain(f"{document.title} {document.subject}")
    names = next(names for words, names in _PHASES if re.search(rf"\b(?:{words})\b", text))
    total = length(document)
    ends: list[int] = []
    reached = 0.0
    for index, share in enumerate(_SHARES):
        reached += share
        earliest = (ends[-1] if ends else 0) + 1
        latest = total - (len(_SHARES) - 1 - index)
        ends.append(min(max(earliest, round(reached * total)), max(latest, earliest)))
    starts = [1, *(end + 1 for end in ends[:-1])]
    texts = [(pt, pt_goal) if portuguese else (en, en_goal) for en, en_goal, pt, pt_goal in names]
    return [Phase(name, goal, first, last) for (name, goal), first, last in zip(texts, starts, ends, strict=True)]


def in_weeks(document: DocumentPlan) -> bool:
    """Whether the plan counts weeks, not days."""
    return (document.days or _GUESSED_DAYS) > _LONGEST_IN_DAYS


def length(document: DocumentPlan) -> int:
    """Return the plan's length in its unit; at least one unit per phase."""
    days = document.days or _GUESSED_DAYS
    return max(len(_SHARES), round(days / 7) if in_weeks(document) else days)


def criteria(document: DocumentPlan, *, portuguese: bool) -> list[Criterion]:
    """Return the criteria of a comparison: those the task names, else usual ones for such things.

    Their weights are equal, whole, and add up to 100.
    """
    if document.criteria:
        question = (
            "Como seriam aqui “bom” e “ruim”, em um número ou uma observação?"
            if portuguese
            else "What would “good” and “bad” look like here, in a number or an observation?"
        )
        texts = [(_capital(text), question) for text in document.criteria]
    else:
        texts = _usual_criteria(document, portuguese)
    base, rest = divmod(100, len(texts))
    return [Criterion(name, question, base + (index < rest)) for index, (name, question) in enumerate(texts)]


def _usual_criteria(document: DocumentPlan, portuguese: bool) -> list[tuple[str, str]]:
    text = plain(" ".join((*document.items, document.context, document.title)))
    usual = next(usual for words, usual in _CRITERIA if re.search(rf"(?:{words})", text))
    return [(pt, pt_asked) if portuguese else (en, en_asked) for en, pt, en_asked, pt_asked in usual]


def outline_value(document: DocumentPlan, *, portuguese: bool) -> dict[str, Any]:
    """Return what the outline publishes."""
    return {
        "title": document.title,
        "form": document.form,
        "sections": [{"id": s.id, "title": s.title} for s in sections(document, portuguese=portuguese)],
        "terms": list(dict.fromkeys([*document.items, *document.topics])),
        "files": ["outline/outline.md"],
    }
