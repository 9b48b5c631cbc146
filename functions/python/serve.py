"""Runs one gRPC function as a process: what the Python functions share.

The port comes from --port, else from GRPC_PORT, else it is the function's
usual one; --addr may name a host or host:port. SIGTERM ends the process.
"""
import argparse
import os
import signal
import threading
from concurrent import futures

import grpc


def unary(request, handle):
    """Makes a method that takes messages of type request and answers messages."""
    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=request.FromString,
        response_serializer=lambda reply: reply.SerializeToString())


def address(default_port):
    """The address to listen on, from the command line and the environment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-a", "--addr", default="0.0.0.0", help="host or host:port to listen on")
    parser.add_argument("-p", "--port", default="", help=f"port (default $GRPC_PORT, else {default_port})")
    args = parser.parse_args()
    host, _, port = args.addr.partition(":")
    return f"{host}:{args.port or port or os.getenv('GRPC_PORT') or default_port}"


def main(default_port, **services):
    """Serves the services (a dot in a name is written __) until SIGTERM.

    One worker thread, as vSwarm's Python functions have.
    """
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    for name, methods in services.items():
        handler = grpc.method_handlers_generic_handler(name.replace("__", "."), methods)
        server.add_generic_rpc_handlers((handler,))
    where = address(default_port)
    if server.add_insecure_port(where) == 0:
        raise SystemExit(f"cannot listen on {where}: choose another port with --port")
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    server.start()
    ending.wait()
    server.stop(2).wait(3)
    # The threads of an open channel can keep the interpreter from ending.
    os._exit(0)
