"""The compression benchmark: a text is read, compressed as well as zlib can, and
decompressed again.

A name is that of a file beside this program, and may say at which byte to begin
(prose.txt@1234), so that every call may compress something else.
"""
import hashlib
import os
import zlib

import compression_pb2
import grpc
import serve

FOLDER = os.path.dirname(os.path.abspath(__file__))
DEFAULT = "prose.txt"  # stands for an empty request and for "World"


def read(name):
    file, _, begin = name.partition("@")
    with open(os.path.join(FOLDER, os.path.basename(file)), "rb") as f:
        data = f.read()
    begin = int(begin or 0) % max(1, len(data))
    return data[begin:] + data[:begin]


def compress_file(request, context):
    name = request.name
    if name in ("", "World"):
        name = DEFAULT
    try:
        data = read(name)
    except (OSError, ValueError) as err:
        context.abort(grpc.StatusCode.NOT_FOUND, f"file {name!r}: {err}")
    compressed = zlib.compress(data, zlib.Z_BEST_COMPRESSION)
    back = hashlib.sha256(zlib.decompress(compressed)).hexdigest()
    message = (f"fn: CompressFile | file: {name} | message: python.compression.{name} | "
               f"from: {len(data)} to: {len(compressed)} back: {back} | runtime: Python")
    return compression_pb2.GetCompressedFile(message=message)


if __name__ == "__main__":
    serve.main(50051, compression__FileCompress={
        "CompressFile": serve.unary(compression_pb2.SendFile, compress_file),
    })
