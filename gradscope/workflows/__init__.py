"""What gradscope does for a user: run, check, baseline, doctor, survey, predict; one file each.

Command line, Python API and pytest call these functions and nothing else. None of them prints.
"""
