"""Training steps that the user wrote: `train_step` of a model, functions of a loop, own losses."""
