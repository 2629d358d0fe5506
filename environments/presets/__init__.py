"""What `gymnasium.make` joins: a default twin with a task, one file for each id in `environments.registration`."""
