"""Where a network branches, as far as its layers show it."""

import pytest

from gradscope.analyzer.message_parts import branches
from gradscope.record import LayerInfo

CHAIN = (
    LayerInfo(0, "flatten", "Flatten", "structure"),
    LayerInfo(1, "hidden", "Dense", "hidden"),
    LayerInfo(2, "query", "Dense", "hidden"),
    LayerInfo(3, "output", "Dense", "output"),
)


def test_a_chain_does_not():
    assert not branches(CHAIN)


@pytest.mark.parametrize(
    "layer",
    [
        LayerInfo(4, "sum", "Add", "structure"),
        LayerInfo(4, "joined", "Concatenate", "structure"),
        LayerInfo(4, "block_1/attention/query", "EinsumDense", "hidden"),
        LayerInfo(4, "key~2", "EinsumDense", "hidden"),
        LayerInfo(4, "value#3", "EinsumDense", "hidden"),
        LayerInfo(4, "second", "Dense", "output"),
    ],
)
def test_what_joins_paths_shows_it(layer):
    assert branches((*CHAIN, layer))


def test_an_einsum_of_another_name_is_a_layer_like_others():
    assert not branches((*CHAIN, LayerInfo(4, "projection", "EinsumDense", "hidden")))
