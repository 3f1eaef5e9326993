"""Floor 7: the command line. One table of commands in main.py, one short file for each."""
