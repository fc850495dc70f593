"""The fuzzer's own modules are imported by their bare names, as the script does."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
