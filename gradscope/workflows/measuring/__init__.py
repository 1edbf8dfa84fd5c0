"""What is measured and where: the user's inputs, the seeds, and the engines."""
