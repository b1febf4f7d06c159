"""The web application recipe: an application in plain HTML, CSS and JavaScript that opens from disk."""
