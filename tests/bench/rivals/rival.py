"""How a rival's script speaks with a benchmark: a line of JSON in, a line of JSON out.

    import rival            # after the heavy imports: standard output belongs to us from here on
    rival.serve(answer)     # answer(request) -> a dict; `hello` follows "ready" in the first line

`timed_ms(call, repeat)` gives the milliseconds of each repetition.
"""
import json
import os
import sys
import time

# Whatever a library prints goes to standard error; the channel keeps the real standard output.
_channel = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def timed_ms(call, repeat):
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1000)
    return times


def serve(answer, hello=""):
    _channel.write(f"ready {hello}".strip() + "\n")
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # the benchmark shows it
            reply = {"error": f"{type(error).__name__}: {error}"}
        _channel.write(json.dumps(reply) + "\n")
