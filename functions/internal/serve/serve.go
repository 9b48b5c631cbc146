// Package serve runs one gRPC function as a process: the flags, the listening
// socket and the orderly end that all Go functions of the catalog share.
//
// A function is given by its service name and unary methods. Nothing is logged
// per call, so that what is measured is the function.
package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// grace is how long calls in flight may still run after SIGTERM.
const grace = 2 * time.Second

// Service is a gRPC service by its full name and its methods.
type Service struct {
	Name    string
	Methods []grpc.MethodDesc
}

// Unary wraps handle as the method name of a service; requests and replies are
// generated protobuf messages.
func Unary[Request, Reply any](name string, handle func(context.Context, *Request) (*Reply, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			request := new(Request)
			if err := decode(request); err != nil {
				return nil, err
			}
			return handle(ctx, request)
		},
	}
}

// Main serves the services until SIGTERM or SIGINT and ends the process with
// status 1 and a message on standard error where that is impossible. The port
// comes from -port, else from the environment's GRPC_PORT, else it is
// defaultPort; -addr may name a host or, as vSwarm's servers have it, host:port.
func Main(defaultPort int, services ...Service) {
	MainAfter(defaultPort, func(context.Context) ([]Service, error) { return services, nil })
}

// MainAfter is Main for a function that has work to do before it is ready, such as
// loading its database: it listens once open has returned.
func MainAfter(defaultPort int, open func(context.Context) ([]Service, error)) {
	if err := run(os.Args, os.Getenv("GRPC_PORT"), defaultPort, open); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		os.Exit(1)
	}
}

func run(args []string, envPort string, defaultPort int, open func(context.Context) ([]Service, error)) error {
	address, err := Address(args, envPort, defaultPort)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	services, err := open(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%w: choose another port with -port", err)
	}
	server := grpc.NewServer()
	for _, s := range services {
		server.RegisterService(&grpc.ServiceDesc{ServiceName: s.Name, Methods: s.Methods}, nil)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		forced := time.AfterFunc(grace, server.Stop)
		defer forced.Stop()
		server.GracefulStop()
	}()
	err = server.Serve(listener)
	stop()
	<-done
	return err
}

// Address is the address to listen on, from the command line args (the first
// is the program's name), the value of GRPC_PORT ("" if unset) and the
// function's usual port.
func Address(args []string, envPort string, defaultPort int) (string, error) {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	host := flags.String("addr", "0.0.0.0", "host or host:port to listen on")
	port := flags.String("port", "", "port to listen on (default $GRPC_PORT, else "+strconv.Itoa(defaultPort)+")")
	if err := flags.Parse(args[1:]); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		return "", fmt.Errorf("unexpected argument %q: see -help", flags.Arg(0))
	}
	chosen := *port
	if h, p, err := net.SplitHostPort(*host); err == nil {
		*host = h
		if chosen == "" {
			chosen = p
		}
	}
	if chosen == "" {
		chosen = envPort
	}
	if chosen == "" {
		chosen = strconv.Itoa(defaultPort)
	}
	if n, err := strconv.Atoi(chosen); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("port %q: want a number from 0 to 65535", chosen)
	}
	return net.JoinHostPort(strings.Trim(*host, "[]"), chosen), nil
}
