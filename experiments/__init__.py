"""Run it: command line, configuration, campaign, journal, tracking, report.

The top layer: it may import everything below, and nothing below imports it. The five folders agents,
environments, instruments, physics_priors and experiments are packages imported by their own names.
"""
