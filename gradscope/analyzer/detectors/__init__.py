"""One file per verdict; a new file here is a new detector."""
