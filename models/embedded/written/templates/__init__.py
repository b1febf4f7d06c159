"""Templates of the files that the recipe writes."""
