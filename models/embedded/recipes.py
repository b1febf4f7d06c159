"""The recipes that the embedded model knows, loaded when first needed."""

from __future__ import annotations

from functools import cache

from matrioska.models.embedded.recipe import Kind, Recipe


@cache
def recipe_for(kind: Kind) -> Recipe:
    """Return the recipe for one kind of deliverable."""
    if kind == "webapp":
        from matrioska.models.embedded.webapp.recipe import WebAppRecipe

        return WebAppRecipe()
    if kind == "analysis":
        from matrioska.models.embedded.analysis.recipe import AnalysisRecipe

        return AnalysisRecipe()
    from matrioska.models.embedded.written.recipe import DocumentRecipe

    return DocumentRecipe()
