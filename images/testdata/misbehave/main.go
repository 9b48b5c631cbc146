// Command misbehave is the functions of the tests that show what a trial says of
// functions that do not work. Its first argument says how it behaves.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"microcosm/functions/proto/helloworldpb"
)

// sayHello answers as the function is to behave.
func sayHello(ctx context.Context, how string, r *helloworldpb.HelloRequest) (*helloworldpb.HelloReply, error) {
	switch how {
	case "wrong":
		return &helloworldpb.HelloReply{Message: "Hello nobody"}, nil
	case "dies":
		fmt.Println("dies: out of luck")
		os.Exit(3)
	case "hangs":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &helloworldpb.HelloReply{Message: "Hello " + r.GetName()}, nil
}

// services are the greeter and the empty call, as gRPC wants them described.
func services(how string) []grpc.ServiceDesc {
	return []grpc.ServiceDesc{
		{ServiceName: "helloworld.Greeter", Methods: []grpc.MethodDesc{{MethodName: "SayHello", Handler: func(
			_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
		) (any, error) {
			r := &helloworldpb.HelloRequest{}
			if err := decode(r); err != nil {
				return nil, err
			}
			return sayHello(ctx, how, r)
		}}}},
		{ServiceName: "microcosm.Null", Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: func(
			_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
		) (any, error) {
			r := &emptypb.Empty{}
			return r, decode(r)
		}}}},
	}
}

// main is called with how to behave, --addr HOST and --port PORT.
func main() {
	how, addr := os.Args[1], net.JoinHostPort(os.Args[3], os.Args[5])
	switch how {
	case "unready":
		fmt.Println("unready: still thinking")
		time.Sleep(time.Hour)
	case "stillborn":
		fmt.Println("stillborn: no configuration")
		os.Exit(1)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	server := grpc.NewServer()
	for _, s := range services(how) {
		server.RegisterService(&s, nil)
	}
	if err := server.Serve(listener); err != nil {
		fmt.Println(err)
	}
}
