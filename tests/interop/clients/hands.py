"""Lets a script act as a person who changes webhooks behind Hookherd's back: each line of the input
names an act and a hook, each line of the output is what the act returns, as JSON."""

import json
import sys


def serve(acts):
    for line in sys.stdin:
        act, hook = line.split()
        print(json.dumps(acts[act](int(hook))), flush=True)
