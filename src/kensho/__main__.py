"""``python -m kensho``."""

from kensho.cli import main

main()
