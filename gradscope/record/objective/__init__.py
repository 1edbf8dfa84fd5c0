"""The loss, the targets and the outputs of a training, at its start and at its end."""
