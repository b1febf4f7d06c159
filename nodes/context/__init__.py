"""From a module's job to its context package: what there is to tell, and what of it fits."""
