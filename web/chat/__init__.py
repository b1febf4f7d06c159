"""The door that speaks OpenAI's protocol, so that any chat client can talk to the whole of Matrioska."""
