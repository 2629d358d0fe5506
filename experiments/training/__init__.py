"""`probewright train`: a learner and many copies of a twin, until its steps are used up.

`settings` says what is asked for, `environments` hands twins to Stable-Baselines3, `session` conducts the training,
`evaluation` judges a policy on seeds that were not trained on, `folder` keeps checkpoints, `curve` draws.
"""
