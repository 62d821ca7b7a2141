"""Compiles the fused kernels for an H100, which needs no GPU; prints each and its shared memory."""

import importlib

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler import compile as compile_kernel

NARROW, WIDE = "bf16", "fp32"
SIZES = {
    "norm.channel_moments": ({"x": NARROW}, {"ROWS": 128, "C": 64}),
    "norm.group_affine": (
        {"bias": NARROW, "gain": NARROW, "offset": NARROW, "scale_shift": NARROW},
        {"ROWS": 128, "BLOCKS": 1024, "GROUP": 8, "PADDED": 8, "BIASED": True, "MODULATED": True},
    ),
    "norm.affine_silu": ({"x": NARROW, "skip": NARROW, "out": NARROW},
                         {"ROWS": 128, "C": 64, "ADDS": True}),
    "norm.row_norm": ({"x": NARROW, "gain": NARROW, "out": NARROW},
                      {"ROWS": 128, "C": 64, "GAIN": True}),
    "temporal.banded_attention": (
        {"qkv": NARROW, "out": NARROW},
        {"WIDTH": 32, "QUERIES": 64, "KEYS": 32, "PRECISION": "tf32"},
    ),
    "spatial.linear_attention": ({"qkv": NARROW, "out": NARROW},
                                 {"WIDTH": 32, "PIXELS": 128, "PRECISION": "tf32"}),
    "conditions.add_conditions": (
        {"q": NARROW, "hidden": NARROW, "out": NARROW},
        {"ATTENTIONS": 3, "GROUPS": 4, "PIXELS": 32, "CHANNELS": 64, "PRECISION": "tf32"},
    ),
}  # fmt: skip
OTHER_POINTERS = {"partial", "affine", "cosines", "sines", "band", "directions", "products", "rows"}
FRACTIONS = {"epsilon", "tiny", "scale"}
NUMBERS = {"norm": {"rows"}}


def main() -> None:
    for name, (narrow, constants) in SIZES.items():
        module, function = name.split(".")
        kernel = getattr(importlib.import_module(f"dawn.a2v.kernels.{module}"), function)
        signature = {}
        for argument in kernel.arg_names:
            pointer = argument in OTHER_POINTERS - NUMBERS.get(module, set())
            if argument in constants:
                signature[argument] = "constexpr"
            elif argument in narrow or pointer:
                signature[argument] = "*" + narrow.get(argument, WIDE)
            else:
                signature[argument] = "fp32" if argument in FRACTIONS else "i32"
        places = {(kernel.arg_names.index(key),): value for key, value in constants.items()}
        source = ASTSource(kernel, signature, places)
        made = compile_kernel(source, target=GPUTarget("cuda", 90, 32))
        print(name, made.metadata.shared)


if __name__ == "__main__":
    main()
