'use strict';
// Runs one gRPC function as a process: what the Node.js functions share.
//
// The port comes from --port, else from GRPC_PORT, else it is the function's usual
// one; --addr may name a host or host:port. SIGTERM ends the process.

const path = require('path');
const { parseArgs } = require('util');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const GRACE_MS = 2000;

function address(defaultPort) {
  const { values } = parseArgs({
    options: {
      addr: { type: 'string', short: 'a', default: '0.0.0.0' },
      port: { type: 'string', short: 'p', default: '' },
    },
  });
  const [host, port] = values.addr.split(':');
  return `${host}:${values.port || port || process.env.GRPC_PORT || defaultPort}`;
}

/**
 * Serves a service, given by its full name and the functions that answer its
 * methods, from the .proto file beside the program.
 */
exports.main = function main(defaultPort, protoFile, serviceName, methods) {
  const definition = protoLoader.loadSync(path.join(__dirname, protoFile), {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const server = new grpc.Server();
  server.addService(definition[serviceName], methods);
  const where = address(defaultPort);
  server.bindAsync(where, grpc.ServerCredentials.createInsecure(), (err) => {
    if (err) {
      console.error(`cannot listen on ${where}: ${err.message}: choose another port with --port`);
      process.exit(1);
    }
  });
  process.on('SIGTERM', () => {
    server.tryShutdown(() => process.exit(0));
    setTimeout(() => process.exit(0), GRACE_MS).unref();
  });
};
