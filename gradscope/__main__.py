"""``python -m gradscope`` is the ``gradscope`` command."""

from gradscope.cli.main import main

main()
