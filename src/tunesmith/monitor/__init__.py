"""Verb `monitor`: measured traffic against objectives, with what the number of requests can prove."""
