"""Compare policies offline: cells, scenarios, oracles, statistics, reports. Oracles live here and nowhere else."""
