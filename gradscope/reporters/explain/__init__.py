"""What `gradscope explain` shows: detectors with an example each, and what else has a name."""
