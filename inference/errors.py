"""What can be wrong with the network's files, or with this machine."""


class ModelError(Exception):
    """A model file cannot be used; the message is one sentence that names the file and the remedy."""


class CompileError(Exception):
    """This machine cannot compile networks; the message is one sentence with the reason."""
