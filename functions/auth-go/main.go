// Command auth-go serves the authorizer benchmark: for a token it answers the
// policy document that an API gateway would act on.
package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/authpb"
)

const resource = "arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]"

// The field names appear in the reply, so they are written as vSwarm's are.
type (
	statement struct{ Action, Effect, Resource string }
	policy    struct {
		Version   string
		Statement []statement
	}
	custom struct {
		stringKey  string
		numberKey  int
		booleanKey bool
	}
	response struct {
		principalId    string //nolint:revive // printed
		policyDocument policy
		context        custom
	}
)

func main() {
	serve.Main(50051, serve.Service{
		Name:    "auth.Greeter",
		Methods: []grpc.MethodDesc{serve.Unary("SayHello", sayHello)},
	})
}

func sayHello(_ context.Context, in *pb.HelloRequest) (*pb.HelloReply, error) {
	token := in.GetName()
	message := fmt.Sprintf("fn: Auth | token: %s | resp: %s | runtime: golang", token, authorize(token))
	return &pb.HelloReply{Message: message}, nil
}

func authorize(token string) string {
	switch token {
	case "allow":
		return document("Allow")
	case "deny":
		return document("Deny")
	case "unauthorized":
		return "Unauthorized"
	}
	return "Error: Invalid token"
}

func document(effect string) string {
	return fmt.Sprintf("%+v", response{
		principalId: "user",
		policyDocument: policy{
			Version:   "2012-10-17",
			Statement: []statement{{Action: "execute-api:Invoke", Effect: effect, Resource: resource}},
		},
		context: custom{stringKey: "stringval", numberKey: 123, booleanKey: true},
	})
}
