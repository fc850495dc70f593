"""Start the programs to be measured from a process that is small itself.

The kernel reports at least as much peak memory for a child as the process had that started it.
Reads lines of JSON ``[arguments, environment]``; answers each with the wall seconds, user and
system seconds, peak KiB and exit code of the program, whose standard output goes nowhere.
"""

import json
import posix
import sys
from time import monotonic

for line in sys.stdin:
    arguments, environment = json.loads(line)
    quiet = [(posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0)]
    begun = monotonic()
    child = posix.posix_spawn(arguments[0], arguments, environment, file_actions=quiet)
    _, status, usage = posix.wait4(child, 0)
    wall = monotonic() - begun
    code = posix.waitstatus_to_exitcode(status)
    print(json.dumps([wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss, code]), flush=True)
