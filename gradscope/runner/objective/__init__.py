"""What a training minimizes: the loss, its scale, and the facts that the record keeps of it."""
