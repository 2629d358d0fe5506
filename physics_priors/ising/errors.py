"""What goes wrong with lattices, each with one line that says what to do."""


class LatticeError(ValueError):
    """A lattice, its spins or a model of it make no sense together."""
