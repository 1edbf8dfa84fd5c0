"""gradscope: do gradients flow through your Keras network, where do they stop, why, what to change."""
