"""Deep kernel learning: small networks turn image patches into the inputs of Gaussian processes.

`seeing` says what the networks are given, `networks` what they are and what is believed of them, `likelihood` how
probable data are under them, `sampling` how they learn, `ensemble` what several of them say together of every
candidate, and `agent` is the agent.
"""
