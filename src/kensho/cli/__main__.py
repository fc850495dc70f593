"""``python -m kensho.cli``."""

from kensho.cli import main

main()
