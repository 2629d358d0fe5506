"""Reinforcement learning: trainers (Stable-Baselines3) and the policies that come of them.

`ppo` trains, `policy` is what is kept of it (numbers and a description, never a pickle), `trained` is the agent that
acts by one. Stable-Baselines3 and torch are imported inside functions only; acting needs neither.
"""
