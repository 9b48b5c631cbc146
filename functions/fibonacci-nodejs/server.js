'use strict';
// The Fibonacci benchmark: additions up to the number asked for, in decimal.

const grpc = require('@grpc/grpc-js');
const serve = require('./serve');

function fibonacci(x) {
  let a = 0n;
  let b = 1n;
  for (let i = 0; i < x; i++) {
    const sum = a + b;
    a = b;
    b = sum;
  }
  return a;
}

function sayHello(call, callback) {
  const x = Number(call.request.name);
  if (!Number.isInteger(x)) {
    callback({ code: grpc.status.INVALID_ARGUMENT, details: `name "${call.request.name}": want a whole number` });
    return;
  }
  callback(null, { message: `fn: Fib: y = fib(x) | x: ${x} y: ${fibonacci(x)} | runtime: NodeJS` });
}

serve.main(50051, 'fibonacci.proto', 'fibonacci.Greeter', { sayHello });
