"""Which language a task is in, and what kind of deliverable it asks for."""

from __future__ import annotations

import re

from matrioska.models.embedded.recipe import Kind
from matrioska.models.embedded.tables import words
from matrioska.models.embedded.understanding.catalogue import Language, domains
from matrioska.models.embedded.understanding.nouns import fold

_PORTUGUESE = words("portuguese words")
_ENGLISH = words("english words")

_APP_NOUN = (
    r"(?:web )?(?:app|apps|application|website|web ?site|webpage|web page|portal|platform|system|dashboard|crud|"
    r"tracker|"
    r"manager|organi[sz]er|marketplace|intranet|saas|tool|planner|catalogue|catalog|database|pos|crm|erp|cms|api|"
    r"online (?:shop|store)|e-?commerce|loja (?:virtual|online)|web ?shop|sistema|aplicacao|aplicativo|site|"
    r"plataforma|painel|pagina web|programa de gestao|controle|cadastro|ferramenta|"
    r"gerenciador|catalogo)"
)
_WRITING_VERB = (
    r"^(?:please |por favor,? |can you |could you |i (?:want|need) you to |quero que voce )?"
    r"(?:write|draft|compose|compare|comparar|contrast|explain|describe|summari[sz]e|translate|outline|prepare|tell|propose|essay|"
    r"escreva|escrever|redija|redigir|explique|explicar|descreva|descrever|resuma|resumir|traduza|traduzir|elabore|"
    r"elaborar|conte|proponha|what|why|how|who|o que|por que|como|quem)\b"
)
_WRITTEN_NOUN = (
    r"\b(?:essay|haiku|poem|story|tale|letter|article|blog post|report|white ?paper|proposal|business plan|"
    r"marketing plan|"
    r"speech|guide|tutorial|manual|book|novel|chapter|summary|minutes|policy|contract|lesson plan|syllabus|cv|resume|"
    r"press release|song|lyrics|script|itinerary|recipe for|"
    r"ensaio|redacao|haicai|poema|conto|historia|carta|artigo|relatorio|proposta|plano de (?:negocios|marketing|aula|"
    r"estudos?)|discurso|guia|manual|livro sobre|romance|capitulo|resumo|ata|politica|contrato|curriculo|"
    r"letra de musica|"
    r"roteiro|monografia|documento|document)\b"
)
_ANALYSIS_VERB = (
    r"\b(?:analy[sz]e|analy[sz]ing|explore|investigate|forecast|predict|cluster|segment|correlate|analise|analisar|"
    r"explorar|investigar|prever|correlacionar)\b"
)
_ANALYSIS_NOUN = (
    r"\b(?:data analysis|data set|dataset|datasets|csv|statistics on|exploratory|eda|regression|correlation|"
    r"time series|"
    r"forecast|analytics|data pipeline|etl|notebook|trends?|analise (?:de|dos|exploratoria)|conjunto de dados|"
    r"dados de|series? temporal|series? temporais|regressao|correlacao|estatistic\w+|previsao|tendencias?)\b"
)

#: Where the noun phrase that names the deliverable ends: a "book app" is an app, a "book about apps" a book.
_SUBJECT_END = re.compile(
    r"\b(?:of|on|for|about|with|to|that|called|named|sobre|para|de|do|da|com|que|"
    r"chamad[oa])\b|[,.:;]"
)


def detect_language(text: str) -> Language:
    """Return the language of a text: English or Portuguese, by its small words and letters."""
    words = re.findall(r"[a-z]+", fold(text))
    portuguese = sum(word in _PORTUGUESE for word in words) + 2 * len(re.findall(r"[ãõçáéíóúâêô]", text.lower()))
    english = sum(word in _ENGLISH for word in words)
    return "pt" if portuguese > english else "en"


def detect_kind(text: str) -> Kind:
    """Return the kind of deliverable a task asks for.

    The opening words weigh most: "Write an essay about library systems" is a document although
    it names a system, and "Analyse the sales of a shop" an analysis although it names a shop.
    """
    folded = fold(text)
    opening = " ".join(folded.split()[:9])
    scores: dict[Kind, float] = {"webapp": 0.0, "analysis": 0.0, "document": 0.5}
    scores["webapp"] += 2.0 * bool(re.search(rf"\b{_APP_NOUN}\b", opening))
    scores["webapp"] += 1.5 * bool(re.search(rf"\b{_APP_NOUN}\b", folded))
    scores["webapp"] += 1.0 * bool(
        re.search(r"\b(manage|track|gerenciar|cadastrar|controlar|crud|login|html)\b", folded)
    )
    if any(re.search(rf"\b{re.escape(word)}\b", opening) for word in domains()):
        scores["webapp"] += 1.0
    scores["document"] += 6.0 * bool(re.search(_WRITING_VERB, folded)) * (not _writes_software(opening))
    if not re.search(rf"\b{_APP_NOUN}\b", _SUBJECT_END.split(opening, maxsplit=1)[0]):
        scores["document"] += 2.5 * bool(re.search(_WRITTEN_NOUN, " ".join(folded.split()[:6])))
        scores["document"] += 1.0 * bool(re.search(_WRITTEN_NOUN, opening))
    scores["analysis"] += 3.0 * bool(re.search(_ANALYSIS_VERB, " ".join(folded.split()[:5])))
    scores["analysis"] += 1.5 * bool(re.search(_ANALYSIS_VERB, folded))
    scores["analysis"] += 2.5 * bool(re.search(_ANALYSIS_NOUN, opening))
    scores["analysis"] += 1.0 * bool(re.search(_ANALYSIS_NOUN, folded))
    return max(scores, key=lambda kind: scores[kind])


def _writes_software(opening: str) -> bool:
    return bool(
        re.search(rf"^(?:please )?\w+ (?:me )?(?:an?|um|uma) (?:\w+ ){{0,3}}{_APP_NOUN}\b", opening)
    ) and not re.search(_WRITTEN_NOUN, opening)
