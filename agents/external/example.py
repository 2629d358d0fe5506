"""A policy for `agents.external`: every other step next to the best so far, else anywhere. Needs only Python."""

import json
import math
import random
import sys

taken: list[int] = []
values: list[float] = []
for line in sys.stdin:
    message = json.loads(line)
    do, answer = message["do"], {"id": message["id"]}
    if do == "begin":
        places, seed = message["problem"]["candidates"], message["seed"]
        taken, values, stands = [], [], []
    elif do == "tell":
        news = message["transition"]
        taken, values = [*taken, news["decision"]["candidate"]], [*values, news["value"]]
        stands = news["accepted"]  # of all values so far: later ones may unmask an outlier
    elif do == "act":
        asked = taken + [decision["candidate"] for decision in message["pending"]]
        free = [i for i in range(len(places)) if i not in asked] or range(len(places))
        choice = random.Random(f"{seed} {len(asked)}").choice(free)
        known = [i for i, ok in enumerate(stands) if ok and values[i] is not None]
        if known and len(asked) % 2:
            best = places[taken[max(known, key=lambda i: values[i])]]
            choice = min(free, key=lambda i: math.dist(places[i], best))
        answer.update(candidate=choice, reason=f"one of {len(free)} free places")
    elif do == "state":
        answer["state"] = [taken, values, stands]
    elif do == "restore":
        taken, values, stands = message["state"]
    print(json.dumps(answer), flush=True)
