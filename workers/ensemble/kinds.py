"""What kind of task a text asks for, by rules: fitness is kept for each kind apart."""

from __future__ import annotations

import re
from typing import Literal, get_args

from matrioska.models.embedded.understanding.nouns import fold

Kind = Literal["maths", "code", "translation", "summary", "facts", "writing", "reasoning", "other"]

KINDS: tuple[Kind, ...] = get_args(Kind)

# A pasted text says little about what is asked of it after this many characters at either end.
_READ = 2_000

_QUOTED = re.compile(r"```.*?(?:```|\Z)|\"[^\"\n]*\"|“[^”]*”|«[^»]*»", re.DOTALL)
_POLITE = re.compile(
    r"^(?:(?:please|kindly|now|then|and|also|next|finally|first|so|hi|hello|hey|por favor|agora|depois|entao|e|"
    r"tambem|primeiro|ola|oi|can you|could you|would you|will you|i (?:want|need) you to|i would like you to|help me|"
    r"(?:voce )?(?:pode|poderia|consegue)|quero que(?: voce)?|preciso que(?: voce)?|me ajude a|me)\b[\s,:;!.]*)+"
)

_CODE_WORDS = (
    r"python|javascript|typescript|java|rust|golang|kotlin|php|ruby|sql|html|css|bash|shell|regexp?|regular expression|"
    r"expressao regular|c\+\+|c#|json schema|dockerfile|git|api|endpoint|unit tests?|testes? unitarios?|"
    r"source code|codigo(?: fonte)?|code|script|programa|compiler|compilador|stack ?trace|traceback|"
    r"segfault|null pointer|refactor|refatore|refatorar|debug|depure|depurar|bug"
)
_ROUTINE = r"(?:function|method|class|decorator|query|macro|funcao|metodo|classe|consulta)"
_MATHS_WORDS = (
    r"equation|equacao|integral|derivative|derivada|matrix|matriz|polynomial|polinomio|logarithms?|logaritmo|"
    r"square root|raiz quadrada|percent|percentage|por ?cento|porcentagem|percentagem|probability|probabilidade|"
    r"prime numbers?|numeros? primos?|factorial|fatorial|theorem|teorema|area of|area d[oea]|perimeter|perimetro|"
    r"average of|media d[oea]|sum of|soma d[oea]|hypotenuse|hipotenusa|triangle|triangulo"
)
_ARITHMETIC = re.compile(
    r"\d\s*(?:[+*/×÷^=]|-(?=\s*\d)|%)|\d\s*(?:plus|minus|times|divided by|multiplied by|"
    r"mais|menos|vezes|dividido por|x)\s*\d"
)
_RIDDLE = re.compile(
    r"\b(?:step by step|passo a passo|riddle|charada|puzzle|enigma|logic|logica|pros and cons|pros e contras|"
    r"trade-?offs?|advantages and disadvantages|vantagens e desvantagens)\b|^if\b.*\bthen\b|^se\b.*\bentao\b"
)


def _begins(*patterns: str) -> re.Pattern[str]:
    """Return the pattern for a text that begins with one of these words, behind what `_POLITE` takes away."""
    return re.compile(rf"^(?:{'|'.join(patterns)})\b")


_TRANSLATION = _begins(
    r"(?:re)?translate|translation|traduz\w*|tradu[cs]\w+|verta para",
    r"how (?:do you|do i|to) say|como se (?:diz|escreve)",
    r"what is .{1,80} in (?:english|portuguese|spanish|french|german|italian|latin)",
)
_SUMMARY = _begins(
    r"summari[sz]e|summary|sum up|tl;?dr|abridge|condense|shorten",
    r"(?:give me|give|write) (?:an? |the )?(?:\w+ )?summary|give (?:me )?the gist",
    r"resuma|resumir|resume|resumo|sintetize|sintetizar|(?:faca|de|escreva) um (?:\w+ )?resumo",
)
_WRITING = _begins(
    r"write|draft|compose|rewrite|rephrase|paraphrase|proofread|reword|polish|invent",
    r"tell (?:me )?a (?:story|joke|tale)",
    r"escreva|escrever|redija|redigir|reescreva|reescrever|componha|elabore|invente|conte (?:uma|um)",
    r"(?:create|make|give me) (?:an? )(?:\w+ )?(?:poem|haiku|story|slogan|letter|email|speech|essay|song)",
    r"(?:crie|faca) (?:um|uma) (?:\w+ )?(?:poema|haicai|historia|slogan|carta|email|discurso|redacao|ensaio|musica)",
)
_CALCULATION = _begins(
    r"calculate|compute|solve|evaluate|differentiate|integrate|factori[sz]e|multiply|divide|add|subtract|round",
    r"convert \d|how (?:much|many) is|calcule|calcular|resolva|resolver|derive|multiplique|divida|some|subtraia",
    r"arredonde|converta \d|quanto (?:e|sao|da)",
)
_REASONING = _begins(
    r"why|compare|contrast|argue|assess|judge|recommend|analy[sz]e|discuss|decide|plan|prove|justify|infer",
    r"explain (?:why|how)|should (?:i|we|one)|is it (?:better|worth)|what (?:if|would happen)",
    r"how (?:would|should|could|can|do|does)|which (?:is|one is|option|of)|por ?que|comparar|argumente|avalie|avaliar",
    r"julgue|recomende|analise|analisar|discuta|discutir|decida|planeje|prove|justifique|explique (?:por ?que|como)",
    r"devo|devemos|vale a pena|melhor|o que aconteceria|se|qual (?:e )?(?:o |a )?melhor",
    r"como (?:eu )?(?:posso|devo|faria|fazer|funciona|funcionam)",
)
_FACTS = _begins(
    r"who|whose|when|where|which|what|how (?:many|much|old|tall|far|long|big|high|deep|fast)|name|list|define|identify",
    r"tell me (?:about|the|who|when|where|what)|is|are|was|were|did|does|do|has|have|explain|describe",
    r"quem|quando|onde|aonde|qual|quais|quant[oa]s?|o que|que|cite|liste|nomeie|defina|identifique|diga|em que",
    r"verdade que|explique|descreva|foi|sao|existe",
)


def kind_of(text: str) -> Kind:
    """Return the kind of task that a text asks for; ``other`` where no rule fits.

    The opening words weigh most: "Translate this code comment" is a translation although it speaks
    of code. Then come code and arithmetic anywhere, and then the more general openings.

    Args:
        text: one unit of a query, in English or Portuguese; any length.
    """
    near = text if len(text) <= 2 * _READ else f"{text[:_READ]}\n{text[-_READ:]}"
    folded = fold(_QUOTED.sub(" … ", near))
    asked = _POLITE.sub("", folded)
    if _TRANSLATION.search(asked):
        return "translation"
    if _SUMMARY.search(asked):
        return "summary"
    if "```" in near or _speaks_of_code(asked):
        return "code"
    if _CALCULATION.search(asked) or _ARITHMETIC.search(asked):
        return "maths"
    if _WRITING.search(asked):
        return "writing"
    if re.search(rf"\b(?:{_MATHS_WORDS})\b", asked):
        return "maths"
    if _REASONING.search(asked) or _RIDDLE.search(asked):
        return "reasoning"
    return "facts" if _FACTS.search(asked) else "other"


def _speaks_of_code(asked: str) -> bool:
    written = rf"^(?:write|implement|fix|create|escreva|implemente|corrija|crie)\b.{{0,40}}\b{_ROUTINE}\b"
    return bool(re.search(rf"(?<!\w)(?:{_CODE_WORDS})(?!\w)", asked) or re.search(written, asked))
