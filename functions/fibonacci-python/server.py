"""The Fibonacci benchmark: additions up to the number asked for, in decimal."""
import os
import sys

import fibonacci_pb2
import grpc
import serve

sys.set_int_max_str_digits(500000)  # fib(2e6) has 417 976 digits


def fibonacci(x):
    a, b = 0, 1
    for _ in range(x):
        total = a + b
        a = b
        b = total
    return a


def say_hello(request, context):
    try:
        x = int(request.name)
    except ValueError:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"name {request.name!r}: want a whole number")
    y = fibonacci(x)
    os.getgid()  # vSwarm's function makes one system call here
    return fibonacci_pb2.HelloReply(message="fn: Fib: y = fib(x) | x: %i y: %i | runtime: python" % (x, y))


if __name__ == "__main__":
    serve.main(50051, fibonacci__Greeter={"SayHello": serve.unary(fibonacci_pb2.HelloRequest, say_hello)})
