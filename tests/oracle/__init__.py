"""An independent computation of what gradscope measures, in plain float64 numpy."""
