package functions

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	_ "microcosm/functions/proto/helloworldpb" // found by the name of its service
	_ "microcosm/functions/proto/nullpb"       // as above
	_ "microcosm/functions/proto/prodconpb"    // as above
)

// checker compares a reply with what the request asks for, computed here in
// another way than the function does.
type checker struct {
	request, reply protoreflect.FullName // "" takes any type
	run            func(runtime Runtime, request, reply []byte) error
}

// checkers are all checkers by the name that function.yaml uses.
var checkers = map[string]checker{
	"aes":            compare(checkAES),
	"auth":           compare(checkAuth),
	"compression":    compare(checkCompression),
	"convert":        compare(checkConvert),
	"currencies":     compare(checkCurrencies),
	"empty":          {run: checkEmpty},
	"fibonacci":      compare(checkFibonacci),
	"geo":            compare(checkGeo),
	"product":        compare(checkProduct),
	"products":       compare(checkProducts),
	"profile":        compare(checkProfile),
	"rate":           compare(checkRate),
	"recommendation": compare(checkRecommendation),
	"recommended":    compare(checkRecommended),
	"reservation":    compare(checkReservation),
	"rotated":        compare(checkRotated),
	"search":         compare(checkSearch),
	"slept":          compare(checkSlept),
	"spun":           compare(checkSpun),
	"tracking":       compare(checkTracking),
	"user":           compare(checkUser),
}

// checkEmpty is for messages of any type that have nothing in them.
func checkEmpty(_ Runtime, _, reply []byte) error {
	if len(reply) > 0 {
		return fmt.Errorf("%d bytes: want an empty message", len(reply))
	}
	return nil
}

func checkerNames() []string {
	return slices.Collect(maps.Keys(checkers))
}

// compare makes a checker of a function on decoded messages.
func compare[Q, P any, PQ pointer[Q], PP pointer[P]](run func(Runtime, PQ, PP) error) checker {
	return checker{
		request: PQ(new(Q)).ProtoReflect().Descriptor().FullName(),
		reply:   PP(new(P)).ProtoReflect().Descriptor().FullName(),
		run: func(runtime Runtime, request, reply []byte) error {
			q, p := PQ(new(Q)), PP(new(P))
			if err := decode(request, q); err != nil {
				return err
			}
			if err := decode(reply, p); err != nil {
				return err
			}
			return run(runtime, q, p)
		},
	}
}

// pointer is a pointer to a generated message type.
type pointer[T any] interface {
	*T
	proto.Message
}

// equal compares a text reply.
func equal(got, expected string) error {
	if got != expected {
		return differs(got, expected)
	}
	return nil
}
