"""What theory or the measured start says about the cause of a finding."""
