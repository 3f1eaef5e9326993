"""Verb `serve`: an OpenAI-compatible server, and the stage that puts it under a real load."""
