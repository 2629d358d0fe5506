"""Laws of how often a beam at a place makes an atom change places with a neighbour; imports only `physics_priors`.

To add a law, write a frozen dataclass with the methods of `laws.HopRates`; a YAML names it, a twin takes it.
"""
