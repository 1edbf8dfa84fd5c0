"""The classes that a `.keras` file may name: Keras's own, where they only compute.

Left out on purpose, though Keras has them: what runs stored code (Lambda, TFSMLayer, JaxLayer,
FlaxLayer, TorchModuleWrapper, Map, Scan, Cond, WhileLoop and their like), what reads files or
vocabularies (StringLookup, IntegerLookup, TextVectorization, Hashing, HashedCrossing), what makes
large arrays out of small numbers (Arange, Full, Linspace and their like), quantized weights, and
every function that is not an activation, a loss or a metric. Initializers, losses, optimizers and
activations are those of the catalog: an entry there lets a file name its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.catalog.losses import LOSSES
from gradscope.catalog.optimizers import OPTIMIZERS

_LAYERS: Final = """
    InputLayer Dense EinsumDense Embedding ReversibleEmbedding Identity Masking
    Activation ELU LeakyReLU PReLU ReLU Softmax
    Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
    DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
    AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
    AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
    BatchNormalization LayerNormalization RMSNormalization GroupNormalization UnitNormalization
    SpectralNormalization Normalization Rescaling
    SimpleRNN SimpleRNNCell GRU GRUCell LSTM LSTMCell RNN StackedRNNCells Bidirectional
    TimeDistributed ConvLSTM1D ConvLSTM2D ConvLSTM3D
    Attention AdditiveAttention MultiHeadAttention GroupQueryAttention
    Add Subtract Multiply Average Maximum Minimum Concatenate Dot
    Dropout AlphaDropout GaussianDropout GaussianNoise ActivityRegularization
    SpatialDropout1D SpatialDropout2D SpatialDropout3D
    Flatten Reshape Permute RepeatVector Cropping1D Cropping2D Cropping3D
    UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    CategoryEncoding Discretization CenterCrop Resizing
    RandomBrightness RandomContrast RandomCrop RandomFlip RandomRotation RandomTranslation
    RandomZoom
"""

_INITIALIZERS: Final = frozenset(entry.keras_class for entry in INITIALIZERS.values())
_LOSSES: Final = frozenset(loss.keras_class for loss in LOSSES.values()) | {"CTC", "Circle"}
_OPTIMIZERS: Final = frozenset(entry.keras_class for entry in OPTIMIZERS.values()) | {
    "LossScaleOptimizer"
}

_METRICS: Final = """
    AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
    CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score
    FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError Mean
    MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanSquaredError
    MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision
    PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
    SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
    SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
    TopKCategoricalAccuracy TrueNegatives TruePositives
"""

_SCHEDULES: Final = """
    CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay
    PolynomialDecay
"""

_ARRAY_OPERATIONS: Final = """
    Abs Absolute Add All Any Amax Amin Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax
    Argmin Argsort Average BroadcastTo Ceil Clip Concatenate Cos Cosh Cumprod Cumsum Diagonal Divide
    DivideNoNan Dot Einsum Equal Exp ExpandDims Expm1 Flip Floor FloorDivide GetItem Greater
    GreaterEqual Hstack Isfinite Isinf Isnan Less LessEqual Log Log10 Log1p Log2 Logaddexp
    LogicalAnd LogicalNot LogicalOr LogicalXor Matmul Max Maximum Mean Median Min Minimum Mod
    Moveaxis Negative NotEqual OnesLike Outer Pad Power Prod Ravel Reciprocal Repeat Reshape Roll
    Round Sign Sin Sinh Sort Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take
    TakeAlongAxis Tan Tanh Tensordot Tile Transpose Tril Triu TrueDivide Multiply Var Vstack Where
    ZerosLike
"""

_NETWORK_OPERATIONS: Final = """
    Relu Relu6 Sigmoid SparseSigmoid Softplus Softsign SoftShrink SparsePlus Silu Squareplus
    LogSigmoid LeakyRelu HardSigmoid HardSilu Elu Selu Gelu Celu Glu TanhShrink HardTanh HardShrink
    Threshold Softmax LogSoftmax Sparsemax MaxPool AveragePool Conv DepthwiseConv SeparableConv
    ConvTranspose OneHot Moments BatchNorm Normalize DotProductAttention RMSNorm LayerNorm
    DepthToSpace SpaceToDepth
"""

_PER_MODULE: Final[dict[str, str | frozenset[str]]] = {
    "keras": "Sequential Model DTypePolicy FloatDTypePolicy",
    "keras.models": "Sequential Model",
    "keras.src.models.functional": "Functional",
    "keras.src.models.sequential": "Sequential",
    "keras.layers": _LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
    "keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
    "keras.dtype_policies": "DTypePolicy DTypePolicyMap FloatDTypePolicy",
    "keras.random": "SeedGenerator",
    "keras.losses": _LOSSES,
    "keras.metrics": _METRICS,
    "keras.optimizers": _OPTIMIZERS,
    "keras.optimizers.schedules": _SCHEDULES,
    "keras.src.ops.numpy": _ARRAY_OPERATIONS,
    "keras.src.ops.nn": _NETWORK_OPERATIONS,
    "keras.src.ops.math": "Logsumexp Rsqrt Erf Erfinv SegmentMax SegmentSum TopK",
    "keras.src.ops.core": "Cast SaturateCast StopGradient Unstack",
    "keras.src.ops.linalg": "Norm",
}

CLASSES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        module: frozenset(names.split()) if isinstance(names, str) else names
        for module, names in _PER_MODULE.items()
    }
)
"""Module as Keras 3 writes it -> the classes of it that a file may name."""

_METRIC_FUNCTIONS: Final = """
    binary_accuracy categorical_accuracy concordance_correlation pearson_correlation
    sparse_categorical_accuracy sparse_top_k_categorical_accuracy top_k_categorical_accuracy
"""
_OTHER_FUNCTIONS: Final = "circle ctc glu log_softmax sparsemax threshold"
"""Losses and activations that a file may name and that have no entry in the catalog."""

FUNCTIONS: Final = frozenset(
    [
        *(entry.name for entry in ACTIVATIONS.values() if not entry.trained_parameter),
        *LOSSES,
        *_METRIC_FUNCTIONS.split(),
        *_OTHER_FUNCTIONS.split(),
    ]
)
"""Functions that a file may name: activations, losses and metrics."""

FUNCTION_MODULES: Final = frozenset(
    {"builtins", "keras.activations", "keras.losses", "keras.metrics"}
)

MARKERS: Final = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
)
"""Names that stand for plain values rather than for a class; `__lambda__` is not one of them."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Lambda": "runs Python code stored in the file",
        "__lambda__": "runs Python code stored in the file",
        "TFSMLayer": "runs a TensorFlow program stored elsewhere",
        "JaxLayer": "runs Python code stored in the file",
        "FlaxLayer": "runs Python code stored in the file",
        "TorchModuleWrapper": "unpickles a module, which runs code",
        "StringLookup": "reads a vocabulary file",
        "IntegerLookup": "reads a vocabulary file",
        "TextVectorization": "reads a vocabulary file",
    }
)
"""Why a class that readers know is not among them."""
