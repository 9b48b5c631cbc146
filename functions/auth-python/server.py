"""The authorizer benchmark: for a token, the policy document a gateway acts on."""
import auth_pb2
import serve

RESOURCE = "arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]"


class Record:
    """An object that gets its attributes one by one and prints as a dict."""

    def __repr__(self):
        return repr(self.__dict__)


def policy(principal, effect, resource):
    statement = Record()
    statement.Action = "execute-api:Invoke"
    statement.Effect = effect
    statement.Resource = resource
    document = Record()
    document.Version = "2012-10-17"
    document.Statement = [statement]
    response = Record()
    response.principalId = principal
    response.policyDocument = document
    response.context = {"stringKey": "stringval", "numberKey": 123, "booleanKey": True}
    return response


def authorize(token):
    if token == "allow":
        return policy("user", "Allow", RESOURCE)
    if token == "deny":
        return policy("user", "Deny", RESOURCE)
    if token == "unauthorized":
        return "Unauthorized"
    return "Error: Invalid token"


def say_hello(request, _):
    token = request.name
    return auth_pb2.HelloReply(message=f"fn: Auth | token: {token} | resp: {authorize(token)} | runtime: python")


if __name__ == "__main__":
    serve.main(50051, auth__Greeter={"SayHello": serve.unary(auth_pb2.HelloRequest, say_hello)})
