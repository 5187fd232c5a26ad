"""Makes files of the repository that are made by a program."""
