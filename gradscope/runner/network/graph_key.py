"""What two configs must have in common to share one built and traced network."""

from __future__ import annotations

import json

from gradscope.config.experiment import ExperimentConfig


def graph_key(config: ExperimentConfig) -> str:
    """Text that is equal for two configs of gradscope's own network that share a graph.

    Initializers, seed, learning rate and the order of the data are no part of the graph. Different
    for every model of the user, which is built anew each time.
    """
    tree = config.to_dict()
    if tree["model"]["source"] is not None:
        return json.dumps(tree, sort_keys=True)
    for key in ("name", "seed", "detectors", "expect"):
        del tree[key]
    for layer in tree["model"]["hidden_layers"]:
        del layer["initializer"], layer["bias_initializer"]
    del tree["model"]["output"]["initializer"]
    tree["training"]["optimizer"]["parameters"].pop("learning_rate", None)
    return json.dumps(tree, sort_keys=True)
