"""What happens later: jobs are taken from the queue and run, each as one call of one action.

Promises: a job runs at least once, also when the process that ran it was killed; a failure is recorded as a row and
tried again with growing pauses, a capped number of times; a rule that says no is not asked again.

``registry`` holds the tasks by name and what they get; ``tasks`` names them, one per job, and their schedule;
``running`` performs a job, drains the queue in this process, or works until told to stop. A folder and not a file,
because the list of tasks grows with every capability while the way they run does not.

Neighbours: capabilities enqueue by name through ``portal.jobs`` and never import this; ``portal.app`` wires the edges
(clock, gateway, mail) that tasks are given.
"""
