"""Statistics of policies compared over seeds: regret, intervals, comparisons, survival.

Arrays of scores are [seeds, tasks] per policy, paired: the same seed is the same sample for every policy. Larger is
better, unless said. No interval is given below `FEWEST_SEEDS`; what their coverage is stands in docs/statistics.md.
"""

FEWEST_SEEDS = 10
"""Below this many seeds no interval is printed: its coverage would not be what it claims."""
