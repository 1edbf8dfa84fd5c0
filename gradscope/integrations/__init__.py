"""gradscope as a Keras callback, as a pytest plugin, and around a user's script."""
