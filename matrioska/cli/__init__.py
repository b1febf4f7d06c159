"""The command line. `main.main` is the entry; `app` lists the commands; heavy imports wait inside them."""
