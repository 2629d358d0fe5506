"""Bayesian optimisation: a Gaussian process over the candidates and an acquisition function.

`features` says what the model sees of a candidate, `surrogate` is the model, `acquisition` scores, and
`gaussian_process` is the agent. torch and botorch are imported inside functions only.
"""
