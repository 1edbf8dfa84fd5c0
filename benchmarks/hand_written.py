"""What gradscope saves its user from writing: train one network and print its gradient norms.

The network, optimizer, images and number of steps of configs/notebook.yaml, as anybody would write
them in Keras. Run as ``python -m benchmarks.hand_written``.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

STEPS, BATCH = 300, 32
IMAGES = Path(__file__).parents[1] / "gradscope/datasets/fashion_mini.npz"

keras.utils.set_random_seed(42)
with np.load(IMAGES) as arrays:
    x_train = arrays["x_train"].reshape(-1, 784).astype("float32")
    x_test = arrays["x_test"].reshape(-1, 784).astype("float32")
    y_train, y_test = arrays["y_train"].astype("int64"), arrays["y_test"].astype("int64")
mean, deviation = x_train.mean(), x_train.std()
x_train, x_test = (x_train - mean) / deviation, (x_test - mean) / deviation

model = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(300, activation="relu", kernel_initializer="he_normal"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(100, activation="relu", kernel_initializer="he_normal"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
loss_of = keras.losses.SparseCategoricalCrossentropy()
optimizer = keras.optimizers.SGD(0.01)
dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def train_step(x: Any, y: Any) -> tuple[Any, list[Any]]:
    """Train on one batch; gives the loss and the gradient norm of each Dense kernel."""
    with tf.GradientTape() as tape:
        loss = loss_of(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    by_path = {v.path: g for v, g in zip(model.trainable_variables, gradients, strict=True)}
    return loss, [tf.norm(by_path[layer.kernel.path]) for layer in dense]


traced = tf.function(train_step)

data = tf.data.Dataset.from_tensor_slices((x_train, y_train))
data = data.shuffle(len(x_train), seed=42).batch(BATCH, drop_remainder=True).repeat().take(STEPS)
losses, norms = [], []
for x, y in data:
    loss, gradient_norms = traced(x, y)
    losses.append(float(loss))
    norms.append([float(norm) for norm in gradient_norms])

predicted = model.predict(x_test, verbose=0).argmax(axis=1)
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, accuracy {np.mean(predicted == y_test):.3f}")
for name, each in zip((layer.name for layer in dense), np.transpose(norms), strict=True):
    print(
        f"{name}: gradient norm {each[0]:.3g} at first, {np.median(each):.3g} median, "
        f"{each[-1]:.3g} at last"
    )
