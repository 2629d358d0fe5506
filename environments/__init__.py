"""What is wanted: tasks, perception, and the one Gymnasium environment that joins a task to an instrument.

Imports `instruments` and `physics_priors`, never `agents`. To add a task, write one file in `environments/tasks/`
that fulfils `environments.task.Task` and one YAML in `conf/task/`.
"""

from environments.registration import register

register()
