"""How often the detectors are wrong: a corpus of healthy and sick trainings, and what is said."""
