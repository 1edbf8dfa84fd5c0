"""The statements of the chapter that gradscope grew from, each with runs that show it."""

from scripts.chapter import batch_norm, initialization, selu

STATEMENTS = (*initialization.STATEMENTS, *selu.STATEMENTS, *batch_norm.STATEMENTS)
