"""What the embedded model says about itself, wherever a person could take it for more."""

from __future__ import annotations

NOTICE: dict[str, str] = {
    "en": (
        "This is Matrioska's embedded model. It is rule-based: no neural network, no key, no download. "
        "It reads the task by rules and can write three kinds of deliverable: a web application that "
        "keeps records in the browser, a data-analysis project, and a structured document. "
        "A real language model does far more: choose one with --model, for example --model ollama:llama3.2."
    ),
    "pt": (
        "Este é o modelo embutido do Matrioska. Ele funciona por regras: sem rede neural, sem chave, sem download. "
        "Lê a tarefa por regras e sabe escrever três tipos de entrega: uma aplicação web que guarda registros no "
        "navegador, um projeto de análise de dados e um documento estruturado. "
        "Um modelo de linguagem de verdade faz muito mais: escolha um com --model, por exemplo --model ollama:llama3.2."
    ),
}
