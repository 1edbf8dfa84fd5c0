"""The classes that a `.keras` file may name: Keras's own, where they only compute.

Left out on purpose, though Keras has them: what runs stored code (Lambda, TFSMLayer, JaxLayer,
FlaxLayer, TorchModuleWrapper, Map, Scan, Cond, WhileLoop and their like), what reads files or
vocabularies (StringLookup, IntegerLookup, TextVectorization, Hashing, HashedCrossing), what makes
large arrays out of small numbers (Arange, Full, Linspace and their like), quantized weights, and
every function that is not an activation, a loss or a metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

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

_INITIALIZERS: Final = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones
    Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
"""

_LOSSES: Final = """
    BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
    CosineSimilarity Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge Tversky
"""

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

_OPTIMIZERS: Final = """
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon Nadam
    RMSprop SGD ScheduleFreeAdamW
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

_PER_MODULE: Final[dict[str, str]] = {
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
    {module: frozenset(names.split()) for module, names in _PER_MODULE.items()}
)
"""Module as Keras 3 writes it -> the classes of it that a file may name."""

_FUNCTIONS: Final = """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign
    sparse_plus sparse_sigmoid sparsemax squareplus tanh tanh_shrink threshold
    binary_crossentropy binary_focal_crossentropy categorical_crossentropy
    categorical_focal_crossentropy categorical_generalized_cross_entropy categorical_hinge circle
    cosine_similarity ctc dice hinge huber kl_divergence log_cosh mean_absolute_error
    mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error poisson
    sparse_categorical_crossentropy squared_hinge tversky
    binary_accuracy categorical_accuracy concordance_correlation pearson_correlation
    sparse_categorical_accuracy sparse_top_k_categorical_accuracy top_k_categorical_accuracy
"""

FUNCTIONS: Final = frozenset(_FUNCTIONS.split())
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
