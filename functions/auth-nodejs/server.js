'use strict';
// The authorizer benchmark: for a token, the policy document a gateway acts on.

const serve = require('./serve');

const RESOURCE = 'arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]';

function policy(principalId, effect, resource) {
  const statement = { Action: 'execute-api:Invoke', Effect: effect, Resource: resource };
  return {
    principalId,
    policyDocument: { Version: '2012-10-17', Statement: [statement] },
    context: { stringKey: 'stringval', numberKey: 123, booleanKey: true },
  };
}

function authorize(token) {
  switch (token) {
    case 'allow':
      return JSON.stringify(policy('user', 'Allow', RESOURCE), null, 2);
    case 'deny':
      return JSON.stringify(policy('user', 'Deny', RESOURCE), null, 2);
    case 'unauthorized':
      return 'Unauthorized';
    default:
      return 'Error: Invalid token';
  }
}

function sayHello(call, callback) {
  const token = call.request.name;
  callback(null, { message: `fn: Auth | token: ${token} | resp: ${authorize(token)} | runtime: nodejs` });
}

serve.main(50051, 'auth.proto', 'auth.Greeter', { sayHello });
