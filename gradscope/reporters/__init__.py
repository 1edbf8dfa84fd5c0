"""One file per form in which a reader meets a run."""
