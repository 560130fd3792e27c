# Writes each text in upper case. The protocol: worker/program/doc.go.
# Try it: printf '%s\n' '{"pipeproc":1}' '{"n":1,"body":"hello"}' | python3 examples/processor-python/upper.py
import json
import sys


def say(answer):
    print(json.dumps(answer), flush=True)


sys.stdin.buffer.readline()  # the node's greeting
say({"pipeproc": 1})
for line in sys.stdin.buffer:
    record = json.loads(line)
    if isinstance(record["body"], str) and "encoding" not in record:
        say({"n": record["n"], "out": [record["body"].upper()]})
    else:
        say({"n": record["n"], "error": "the body is not text"})
