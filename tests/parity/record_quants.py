"""Records how gguf-py dequantises one block of every type that we read, for tests/engine.

    PEERS_PYTHON tests/parity/record_quants.py > tests/data/quants.json

Byte i of a block is (37 i + 11) mod 256, then the half-precision fields are set to usual sizes.
"""

import json
import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize

HALVES = {  # type: (bytes, {offset of a half: its bits})
    Type.F16: (64, {}), Type.BF16: (64, {}), Type.Q4_0: (18, {0: 0x2E66}),
    Type.Q4_1: (20, {0: 0x2E66, 2: 0xA8F6}), Type.Q8_0: (34, {0: 0x1ABC}),
    Type.Q4_K: (144, {0: 0x2155, 2: 0x9F01}), Type.Q6_K: (210, {208: 0x8D37}),
}


def main():
    blocks = []
    for kind, (size, halves) in HALVES.items():
        data = np.array([(37 * i + 11) % 256 for i in range(size)], dtype=np.uint8)
        if not halves:  # no NaN and no infinity: they do not compare
            data[1::2] = data[1::2] % 0x70
        for offset, bits in halves.items():
            data[offset:offset + 2] = [bits & 255, bits >> 8]
        values = dequantize(data, kind).astype(np.float32)
        blocks.append({"type": int(kind), "name": kind.name, "bytes": data.tolist(),
                       "values": [float(v) for v in values.flatten()]})
    json.dump(blocks, sys.stdout)


if __name__ == "__main__":
    main()
