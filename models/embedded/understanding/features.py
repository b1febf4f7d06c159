"""Wishes in a task: the features that the recipes know, and those that nobody here can fulfil."""

from __future__ import annotations

import re

from matrioska.models.embedded.understanding.catalogue import Language
from matrioska.models.embedded.understanding.nouns import fold

#: Patterns over the folded task. The names are part of the `Brief` that recipes read.
_FEATURES: dict[str, str] = {
    "login": r"\b(log-?in|sign[- ]?(in|up)|auth\w*|jwt|password|accounts?|session|senhas?|autentica\w*|cadastro de "
             r"usuarios|oauth\w*|controle de acesso|access control)\b",
    "jwt": r"\b(jwt|json web tokens?)\b",
    "dashboard": r"\b(dashboards?|painel|paineis|overview|visao geral|kpis?|indicadores|statistics|estatisticas)\b",
    "charts": r"\b(charts?|graphs?|plots?|graficos?|visuali[sz]a\w+)\b",
    "search": r"\b(search\w*|filter\w*|busca\w*|pesquis\w+|filtr\w+)\b",
    "crud": r"\bcrud\b",
    "responsive": r"\b(responsiv\w*|mobile|phones?|tablets?|celular|celulares)\b",
    "admin": r"\b(admin\w*)\b",
    "export": r"\b(export\w*|download\w*|backup|copia de seguranca)\b",
    "import": r"\b(import\w*)\b",
    "dark": r"\b(dark (mode|theme)|night mode|modo (escuro|noturno)|tema escuro)\b",
    "print": r"\b(print\w*|impress\w+|imprimir)\b",
    "rest": r"\b(rest(ful)?( api)?|apis?|endpoints?)\b",
    "csv": r"\b(csv|spreadsheets?|planilhas?|excel|xlsx)\b",
    "forecast": r"\b(forecast\w*|predict\w*|previs\w+|prever)\b",
    "react": r"\breact(\.?js)?\b",
}  # fmt: skip

_NO = (
    r"\b(?:no|without(?: any)?|remove|drop|skip|disable|sem|remova|remover|retire|tire|tirar|"
    r"desative)\s+(?:the |a |o |os |as )?"
)

#: What cannot be done here, with what is done instead, by language.
_UNSUPPORTED: tuple[tuple[str, str, str], ...] = (
    (r"\b(react(\.?js)?|vue(\.?js)?|angular|svelte|next\.?js|typescript)\b",
     "A {word} build: the application is written in plain HTML, CSS and JavaScript, with no build step.",
     "Um projeto em {word}: a aplicação é escrita em HTML, CSS e JavaScript puros, sem etapa de compilação."),
    (r"\b(jwt|json web tokens?)\b",
     "Authentication checked by a server: the session token has the form of a JWT but is signed in the browser.",
     "Autenticação conferida por um servidor: o token da sessão tem a forma de um JWT, mas é assinado no navegador."),
    (r"\b(node(\.?js)?|express|django|flask|fastapi|laravel|spring( boot)?|rails|back-?end|php|servidor|server|golang|"
     r"\.net|rest(ful)?( api)?|graphql|apis?|microservi\w+)\b",
     "A server ({word}): everything runs in the browser, and each browser keeps its own data.",
     "Um servidor ({word}): tudo funciona no navegador, e cada navegador guarda os próprios dados."),
    (r"\b(postgres(ql)?|mysql|mariadb|mongo(db)?|sqlite|firebase|supabase|redis|sql database|banco de dados|"
     r"database)\b",
     "A database ({word}): records are kept in the browser's storage and can be exported as JSON.",
     "Um banco de dados ({word}): os registros ficam no armazenamento do navegador e podem ser exportados em JSON."),
    (r"\b(payment gateway|payments? (?:with|by|via|through)|stripe|paypal|credit cards?|checkout|pix|boletos?|"
     r"cartao de credito|"
     r"pagamentos? (?:com|via|por|online))\b",
     "Taking payments ({word}): amounts are recorded, no money moves.",
     "Receber pagamentos ({word}): os valores são registrados, nenhum dinheiro é movimentado."),
    (r"\b(email notifications?|notifications?|reminders?|sms|whatsapp|push|newsletter|notificac\w+|lembretes?)\b",
     "Sending messages ({word}): nothing leaves the browser.",
     "Enviar mensagens ({word}): nada sai do navegador."),
    (r"\b(android|ios|iphone app|native app|mobile app|react native|flutter|aplicativo nativo|app mobile)\b",
     "A native mobile application ({word}): the page adapts to phones instead.",
     "Um aplicativo nativo ({word}): em vez disso, a página se adapta ao celular."),
    (r"\b(real[- ]?time|multi-?user|websockets?|live chat|chat|tempo real|multiusuario|sincroniza\w+|sync\w*)\b",
     "Sharing between people or devices ({word}): data stays in one browser.",
     "Compartilhar entre pessoas ou aparelhos ({word}): os dados ficam em um só navegador."),
    (r"\b(google login|oauth\w*|social login|sso|login (?:com|with) (?:google|facebook))\b",
     "Signing in through another service ({word}): accounts live in the browser.",
     "Entrar por outro serviço ({word}): as contas ficam no navegador."),
    (r"\b(upload\w*|photos?|images? of|file attachments?|attachments?|fotos?|anexos?)\b",
     "Keeping uploaded files ({word}): records hold text, numbers, dates and choices.",
     "Guardar arquivos enviados ({word}): os registros guardam textos, números, datas e opções."),
    (r"\b(maps?|gps|geolocation|mapas?|geolocalizacao)\b",
     "Maps ({word}): places are kept as text.",
     "Mapas ({word}): os lugares são guardados como texto."),
    (r"\b(machine learning|artificial intelligence|recommendations?|chatbots?|inteligencia artificial|recomendac\w+)\b",
     "Artificial intelligence in the product ({word}).",
     "Inteligência artificial no produto ({word})."),
    (r"\b(docker|kubernetes|deploy\w*|ci/cd|aws|azure|hospedagem|implanta\w+)\b",
     "Deployment ({word}): the files can be put on any web host as they are.",
     "Implantação ({word}): os arquivos podem ser postos em qualquer hospedagem como estão."),
)  # fmt: skip

#: Every web application has these unless the task refuses them.
_WEBAPP_DEFAULTS = frozenset(
    {"login", "dashboard", "charts", "search", "crud", "responsive", "export", "import", "dark"}
)


def read_features(text: str, kind: str) -> frozenset[str]:
    """Return the features a task asks for, less those it refuses ("without login")."""
    folded = fold(text)
    wanted = {name for name, pattern in _FEATURES.items() if re.search(pattern, folded)}
    if kind == "webapp":
        wanted |= _WEBAPP_DEFAULTS
    return frozenset(wanted - refused_features(text))


def refused_features(text: str) -> frozenset[str]:
    """Return the features that a text says to leave out."""
    folded = fold(text)
    return frozenset(name for name, pattern in _FEATURES.items() if re.search(_NO + pattern, folded))


def read_unsupported(text: str, language: Language) -> tuple[str, ...]:
    """Return one sentence for each wish that cannot be fulfilled, naming the task's own word for it."""
    folded = fold(text)
    found: list[str] = []
    for pattern, english, portuguese in _UNSUPPORTED:
        match = re.search(pattern, folded)
        if match and not re.search(_NO + pattern, folded):
            sentence = english if language == "en" else portuguese
            found.append(sentence.format(word=_as_written(text, match[0])))
    return tuple(found)


def _as_written(text: str, folded_word: str) -> str:
    match = re.search(re.escape(folded_word), text, re.IGNORECASE)
    return match[0] if match else folded_word
