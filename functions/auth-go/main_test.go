package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	pb "microcosm/functions/proto/authpb"
)

func TestSayHello(t *testing.T) {
	t.Parallel()
	document := func(effect string) string {
		return "{principalId:user policyDocument:{Version:2012-10-17 Statement:[{Action:execute-api:Invoke Effect:" + effect +
			" Resource:arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]}]}" +
			" context:{stringKey:stringval numberKey:123 booleanKey:true}}"
	}
	for token, want := range map[string]string{
		"allow":        document("Allow"),
		"deny":         document("Deny"),
		"unauthorized": "Unauthorized",
		"":             "Error: Invalid token",
		"ALLOW":        "Error: Invalid token",
		"allow ":       "Error: Invalid token",
	} {
		got, err := sayHello(context.Background(), &pb.HelloRequest{Name: token})
		require.NoError(t, err)
		require.Equal(t, "fn: Auth | token: "+token+" | resp: "+want+" | runtime: golang", got.GetMessage())
	}
}
