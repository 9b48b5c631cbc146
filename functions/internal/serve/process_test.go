package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"microcosm/functions/internal/serve"
)

// TestMain is a function, too: one that waits as long as it is asked to.
func TestMain(m *testing.M) {
	switch os.Getenv("SERVE_TEST") {
	case "":
		os.Exit(m.Run())
	case "serve":
		serve.Main(1, service())
	case "fail":
		serve.MainAfter(1, func(context.Context) ([]serve.Service, error) { return nil, errors.New("no database at 127.0.0.1:1") })
	case "open":
		serve.MainAfter(1, func(ctx context.Context) ([]serve.Service, error) {
			fmt.Println("opening")
			<-ctx.Done()
			return nil, fmt.Errorf("open: %w", ctx.Err())
		})
	}
}

func service() serve.Service {
	return serve.Service{Name: "test.Test", Methods: []grpc.MethodDesc{
		serve.Unary("Wait", func(ctx context.Context, d *durationpb.Duration) (*durationpb.Duration, error) {
			fmt.Println("waiting")
			select {
			case <-time.After(d.AsDuration()):
				return d, nil
			case <-ctx.Done():
				return nil, status.FromContextError(ctx.Err()).Err()
			}
		}),
		serve.Unary("Fail", func(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
			return nil, status.Error(codes.DataLoss, "gone")
		}),
	}}
}

// function is this program as a function.
type function struct {
	*exec.Cmd
	lines chan string // of its standard output
	err   bytes.Buffer
}

func begin(t *testing.T, kind string, args ...string) *function {
	t.Helper()
	f := &function{Cmd: exec.Command(os.Args[0], args...), lines: make(chan string, 100)}
	f.Env = append(os.Environ(), "SERVE_TEST="+kind)
	f.Stdout, f.Stderr = writer(func(p []byte) {
		for _, line := range strings.Fields(string(p)) {
			f.lines <- line
		}
	}), &f.err
	require.NoError(t, f.Start())
	t.Cleanup(func() { _ = f.Process.Kill() }) // it has ended, unless the test failed
	return f
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

// TestACallInFlightIsAnsweredBeforeTheEnd: SIGTERM ends a function, and no call of it.
func TestACallInFlightIsAnsweredBeforeTheEnd(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	f := begin(t, "serve", "-addr", addr)
	conn := dial(t, addr)
	answered := make(chan error, 1)
	go func() {
		answered <- conn.Invoke(t.Context(), "/test.Test/Wait", durationpb.New(300*time.Millisecond), &durationpb.Duration{})
	}()
	require.Equal(t, "waiting", <-f.lines)
	require.NoError(t, f.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-answered)
	require.NoError(t, f.Wait(), "status 0")
	require.Empty(t, f.err.String())
}

// TestACallThatDoesNotEndKeepsNobodyFromEnding: after two seconds it is given up.
func TestACallThatDoesNotEndKeepsNobodyFromEnding(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	f := begin(t, "serve", "--addr", addr)
	conn := dial(t, addr)
	answered := make(chan error, 1)
	go func() {
		answered <- conn.Invoke(t.Context(), "/test.Test/Wait", durationpb.New(time.Hour), &durationpb.Duration{})
	}()
	require.Equal(t, "waiting", <-f.lines)
	require.NoError(t, f.Process.Signal(syscall.SIGINT))
	require.Error(t, <-answered)
	require.NoError(t, f.Wait())
}

func TestAnErrorKeepsItsCode(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	f := begin(t, "serve", "-addr", addr)
	conn := dial(t, addr)
	err := conn.Invoke(t.Context(), "/test.Test/Fail", &emptypb.Empty{}, &emptypb.Empty{})
	require.Equal(t, codes.DataLoss, status.Code(err))
	err = conn.Invoke(t.Context(), "/test.Test/Nothing", &emptypb.Empty{}, &emptypb.Empty{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	require.NoError(t, f.Process.Signal(syscall.SIGTERM))
	require.NoError(t, f.Wait())
}

func TestAFunctionThatCannotServeSaysWhy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	for situation, c := range map[string]struct {
		kind string
		args []string
		code int
		want string
	}{
		"its port is taken":          {"serve", []string{"-addr", taken.Addr().String()}, 1, "address already in use: choose another port with -port"},
		"a port that is none":        {"serve", []string{"-port", "http"}, 1, `port "http": want a number from 0 to 65535`},
		"an argument":                {"serve", []string{"50051"}, 1, `unexpected argument "50051": see -help`},
		"a flag that there is not":   {"serve", []string{"-prot", "1"}, 1, "flag provided but not defined: -prot"},
		"it cannot open what it has": {"fail", nil, 1, ": no database at 127.0.0.1:1"},
		"help":                       {"serve", []string{"-help"}, 2, "port to listen on (default $GRPC_PORT, else 1)"},
	} {
		f := begin(t, c.kind, c.args...)
		var ended *exec.ExitError
		require.ErrorAs(t, f.Wait(), &ended, situation)
		require.Equal(t, c.code, ended.ExitCode(), situation)
		require.Contains(t, f.err.String(), c.want, situation)
	}
}

// TestAFunctionThatIsStillOpeningCanBeEnded: it waits for its database.
func TestAFunctionThatIsStillOpeningCanBeEnded(t *testing.T) {
	t.Parallel()
	f := begin(t, "open", "-addr", freeAddr(t))
	require.Equal(t, "opening", <-f.lines)
	require.NoError(t, f.Process.Signal(syscall.SIGTERM))
	var ended *exec.ExitError
	require.ErrorAs(t, f.Wait(), &ended)
	require.Equal(t, 1, ended.ExitCode())
	require.Contains(t, f.err.String(), "open: context canceled")
}

func TestTheEnvironmentsPortIsCheckedToo(t *testing.T) {
	t.Parallel()
	for port, want := range map[string]string{"http": `port "http"`, "70000": `port "70000"`, "-1": `port "-1"`, " 1": `port " 1"`} {
		_, err := serve.Address([]string{"f"}, port, 50051)
		require.ErrorContains(t, err, want+": want a number from 0 to 65535")
	}
	addr, err := serve.Address([]string{"f", "-addr", "host:"}, "", 50051)
	require.NoError(t, err)
	require.Equal(t, "host:50051", addr, "a colon without a port names none")
}
