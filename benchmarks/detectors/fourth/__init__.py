"""The cases of the fourth part: networks and faults after public reports, by an outsider."""
