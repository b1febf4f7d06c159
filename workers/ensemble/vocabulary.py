"""What the decomposer goes by, in English and Portuguese: lower case, without accents."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Portuguese imperatives that no rule gives: of "você", of "tu".
_IRREGULAR = {
    "compor": ("componha", "compoe"),
    "decompor": ("decomponha", "decompoe"),
    "descobrir": ("descubra", "descobre"),
    "dizer": ("diga", "diz"),
    "esbocar": ("esboce", "esboca"),
    "expor": ("exponha", "expoe"),
    "extrair": ("extraia", "extrai"),
    "fazer": ("faca", "faz"),
    "inferir": ("infira", "infere"),
    "ler": ("leia", "le"),
    "medir": ("meca", "mede"),
    "obter": ("obtenha", "obtem"),
    "prever": ("preveja", "preve"),
    "propor": ("proponha", "propoe"),
    "rever": ("reveja", "reve"),
    "substituir": ("substitua", "substitui"),
    "sugerir": ("sugira", "sugere"),
}


def _imperatives(infinitive: str) -> tuple[str, str]:
    """Return the imperatives of a Portuguese verb for "você" and for "tu", without accents."""
    if infinitive in _IRREGULAR:
        return _IRREGULAR[infinitive]
    stem, theme = infinitive[:-2], infinitive[-2:]
    if infinitive.endswith("ear"):
        return f"{stem}ie", f"{stem}ia"
    if theme == "ar":
        hard = {"c": "qu", "g": "gu"}.get(stem[-1], stem[-1])
        return f"{stem[:-1]}{hard}e", f"{stem}a"
    soft = f"{stem[:-1]}j" if stem.endswith("g") else stem
    return f"{soft}a", stem if stem.endswith("z") else f"{stem}e"


#: Words that begin a question anywhere.
QUESTION_WORDS = _words(
    "what what's who who's whom whose which when where why how "
    "qual quais quem quando onde aonde quanto quanta quantos quantas cade como por"
)
#: Words that begin a question only where it ends with its mark: they begin much else besides.
AUXILIARIES = _words(
    "is are was were do does did can could should would will shall may must has have had am "
    "sao foi era existe existem ha posso pode podem podemos devo deve devemos sera seria tem vale"
)
_ENGLISH = _words(
    "add analyse analyze answer argue arrange ask assess build calculate check choose classify clean collect combine "
    "compare compile complete compose compute convert correct count create criticise criticize debug decide define "
    "demonstrate derive describe design detect determine develop diagnose discuss divide draft draw edit elaborate "
    "estimate evaluate examine expand explain explore express extract fill filter find finish fix format generate "
    "give group guess help identify illustrate implement improve infer insert integrate interpret introduce justify "
    "list locate make measure mention merge modify multiply name optimise optimize organise organize outline "
    "paraphrase parse pick plan plot predict prepare present propose prove provide quote rank rate read recommend "
    "refactor remove rename repeat replace report rephrase resolve review revise rewrite round save schedule "
    "search select send separate show simplify simulate solve sort specify spell split state structure subtract "
    "suggest sum summarise summarize tell test trace transform translate turn update use validate verify visualise "
    "visualize weigh write say square cube enumerate invent sketch deduce factor factorise factorize differentiate "
    "shorten clarify reorder brainstorm highlight capitalise capitalize reverse"
)
_INFINITIVES = _words(
    "adaptar adicionar ajudar alterar analisar aplicar apontar apresentar arredondar arrumar avaliar buscar calcular "
    "citar classificar coletar combinar comparar completar compor comprovar contar converter corrigir criar criticar "
    "decidir decompor deduzir definir demonstrar derivar descobrir descrever desenhar desenvolver detalhar determinar "
    "discutir dividir dizer elaborar elevar encontrar enumerar esbocar escolher escrever esclarecer especificar "
    "estimar examinar exibir explicar expor extrair fazer filtrar formatar formular gerar identificar ilustrar "
    "imaginar implementar indicar inferir informar integrar interpretar inventar justificar ler listar medir melhorar "
    "mencionar montar mostrar multiplicar nomear obter ordenar organizar otimizar planejar planear prever produzir "
    "projetar propor provar procurar recomendar redigir reescrever remover resolver responder resumir rever revisar "
    "selecionar simplificar somar sugerir substituir testar traduzir transformar utilizar validar verificar"
)
_IMPERATIVES = [*map(_imperatives, _INFINITIVES)]
#: Verbs that begin a request, by form: English imperatives, Portuguese infinitives and imperatives. Two verbs
#: of one form may belong to each other: "a script to read a file and write it".
REQUEST_FORMS = (
    _ENGLISH,
    _INFINITIVES,
    frozenset(voce for voce, _ in _IMPERATIVES),
    frozenset(tu for _, tu in _IMPERATIVES),
)
REQUESTS = frozenset().union(*REQUEST_FORMS)
#: Requests that are nouns as well, and what follows them when they are requests.
NOUNS = _words(
    "square cube factor design plan test report rate measure structure state group trace "
    "lista conta soma procura busca prova formula estima escolha"
)
AFTER_REQUEST = _words(
    "the a an it its them each every all both this that these those my your his her their our me us how why what who "
    "where when whether one two three four five six seven eight nine ten any some another "
    "o os as um uma uns umas ao aos este esta estes estas esse essa isso isto cada todos todas meu minha seu sua "
    "dois duas tres quatro cinco seis sete oito nove dez que quem como onde quando quanto quantos quantas porque "
    "qual quais se mais alguns algumas outro outra"
)
#: Nouns whose accent alone tells them from requests, and requests that are told from other words by theirs.
ACCENTED_NOUNS = _words("análise fórmula crítica")
ACCENTED_REQUESTS = _words("dê dá põe vê")
#: What follows a noun, and no request.
AFTER_NOUN = _words("of is are was were de do da dos das")
#: Words behind which a verb tells what somebody does.
CLAUSES = QUESTION_WORDS | _words("that to whether can que para se porque")
#: Beginnings of questions that are requests.
ASKED_POLITELY = frozenset(f"{modal} you" for modal in ("can", "could", "will", "would")) | frozenset(
    f"{modal}{whom}"
    for modal in ("pode", "podes", "poderia", "poderias", "consegue", "consegues")
    for whom in ("", " voce")
)
#: Prepositions that may stand before a question word, and those words.
PREPOSITIONS = _words("in at on to from for by with of about under em de a para com desde ate sobre sob por")
ASKED_WITH = _words("what which whom whose que qual quais quem quanto quanta quantos quantas")
#: Words that may stand before a unit and change nothing about it.
OPENERS = _words(
    "and then also please kindly now next finally lastly first firstly second secondly third thirdly so but "
    "afterwards "
    "e depois tambem por-favor agora finalmente enfim primeiro segundo terceiro mas entao ainda"
)
#: Words that refer to what was said before.
PRONOUNS = _words(
    "it its them they their this that these those he she him her his each both former latter "
    "isso isto disso disto nisso ele ela eles elas dele dela deles delas esse essa esses essas este esta cada "
    "ambos ambas"
)
#: Abbreviations whose full stop ends no sentence.
ABBREVIATIONS = _words(
    "e.g. i.e. etc. mr. mrs. ms. dr. prof. vs. approx. no. nos. fig. st. jr. sr. sra. srta. dra. ex. p.ex. pag. "
    "art. vol. cf. al. inc. ltd. ltda. av. aprox. min. max. a.c. d.c. u.s. u.k."
)
