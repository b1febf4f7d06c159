"""What the decomposer goes by, in English and Portuguese: lower case, without accents."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that begin a question anywhere.
QUESTION_WORDS = _words(
    "what what's who who's whom whose which when where why how "
    "qual quais quem quando onde aonde quanto quanta quantos quantas cade como por"
)
#: Words that begin a question only where it ends with its mark: they begin much else besides.
AUXILIARIES = _words(
    "is are was were do does did can could should would will shall may must has have had am "
    "e sao foi era existe existem ha posso pode podem podemos devo deve devemos sera seria da tem vale"
)
#: Verbs that begin a request: English imperatives, Portuguese imperatives and infinitives.
REQUESTS = _words(
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
    "visualize weigh write "
    "adicione adicionar altere analise analisar aponte apresente apresentar arrume avalie avaliar busque calcule "
    "calcular cite citar classifique classificar colete combine comparar complete conte contar converta converter "
    "corrija corrigir crie criar defina definir demonstre descreva descrever desenhe desenhar desenvolva "
    "desenvolver detalhe determine diga discuta divida elabore elaborar encontre encontrar escolha escolher escreva "
    "escrever esclareca especifique estime estimar examine exiba explique explicar extraia extrair faca fazer filtre "
    "formate formule gere gerar identifique identificar ilustre implemente implementar indique informe integre "
    "interprete invente justifique justificar leia liste listar melhore melhorar mencione monte mostre mostrar nomeie "
    "ordene ordenar otimize planeje planejar preveja projete procure proponha propor "
    "recomende recomendar reescreva reescrever remova remover responda responder resolva resolver resuma resumir "
    "revise revisar selecione simplifique simplificar some sugira sugerir teste testar traduza traduzir "
    "transforme transformar utilize valide verifique verificar"
)
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
