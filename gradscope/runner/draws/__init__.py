"""Draw the initial weights of a model again and again, and measure what each layer then shows."""
