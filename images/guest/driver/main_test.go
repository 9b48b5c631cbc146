package driver_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"microcosm/functions"
	"microcosm/functions/proto/authpb"
	"microcosm/functions/proto/fibonaccipb"
	"microcosm/gem5bridge/process"
	"microcosm/images/guest/driver"
	"microcosm/images/guest/job"
)

func TestMain(m *testing.M) {
	// Each check starts real servers.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// recorder is a simulator that keeps what it is told, in one sequence with the
// records.
type recorder struct {
	mu     sync.Mutex
	events []string
	list   []job.Record
	walks  [][2]int64
	micros int64
	full   int // records after which none can be written; 0: never
}

func (r *recorder) event(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, text)
}

func (r *recorder) WorkBegin(id, thread uint64) { r.event(fmt.Sprintf("begin %d %d", id, thread)) }
func (r *recorder) WorkEnd(id, thread uint64)   { r.event(fmt.Sprintf("end %d %d", id, thread)) }

// Cores answers a microsecond more on core 0 and two more on core 1 every time.
func (r *recorder) Cores() ([]job.Core, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.micros++
	return []job.Core{{Core: 0, Micros: r.micros}, {Core: 1, Micros: 2 * r.micros}}, nil
}

func (r *recorder) Walk(_ context.Context, code, data int64) error {
	r.walks = append(r.walks, [2]int64{code, data})
	return nil
}

func (r *recorder) write(record job.Record) error {
	if r.full > 0 && len(r.list) == r.full {
		return errors.New("disk full")
	}
	r.list = append(r.list, record)
	if record.Kind == job.Call {
		r.event(fmt.Sprintf("record %d", record.Seq))
	}
	return nil
}

// driver returns a driver whose records r keeps.
func (r *recorder) driver(t require.TestingT, l driver.Launcher) *driver.Driver {
	catalog, err := functions.Load()
	require.NoError(t, err)
	return driver.New(driver.Config{
		Catalog: catalog.Lookup, Launcher: l, Marker: r, Meter: r, Walker: r, Machine: "test", Write: r.write,
	})
}

// read is the job as a guest reads it.
func read(t require.TestingT, j job.Job) job.Job {
	text, err := job.Marshal(j)
	require.NoError(t, err)
	j, err = job.Parse(text)
	require.NoError(t, err)
	return j
}

// run does a job.
func (r *recorder) run(t *testing.T, l driver.Launcher, j job.Job) error {
	t.Helper()
	d := r.driver(t, l)
	t.Cleanup(func() { require.NoError(t, d.Close(context.Background())) })
	return d.Run(context.Background(), read(t, j))
}

// calls returns the records of calls.
func (r *recorder) calls() []job.Record {
	var calls []job.Record
	for _, record := range r.list {
		if record.Kind == job.Call {
			calls = append(calls, record)
		}
	}
	return calls
}

// fault is what is wrong with a function.
type fault int

const (
	none fault = iota
	cannotBeCreated
	cannotStart
	neverListens
	diesAtStart
	answersWrongly
	hangs
	dies
	killsOthers
	tooFree
	createHangs
	stays // it cannot be removed
)

// faulty makes sandboxes inside this process, each a gRPC server with a fault.
type faulty struct {
	fault map[string]fault
	made  []driver.Spec
	boxes []*sandbox
	live  int
	// hung is called when something begins to hang; nil: nobody waits for that.
	hung func()
}

func (f *faulty) hangs() {
	if f.hung != nil {
		f.hung()
	}
}

func (f *faulty) Create(ctx context.Context, s driver.Spec) (driver.Sandbox, error) {
	switch f.fault[s.Function.Name] {
	case cannotBeCreated:
		return nil, errors.New("no layer jvm")
	case createHangs:
		f.hangs()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	f.made = append(f.made, s)
	f.live++
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &sandbox{owner: f, fault: f.fault[s.Function.Name], listener: listener, ended: make(chan struct{})}
	f.boxes = append(f.boxes, b)
	b.server = grpc.NewServer(grpc.ForceServerCodec(functions.RawCodec{}), grpc.UnknownServiceHandler(b.serve))
	return b, nil
}

type sandbox struct {
	owner    *faulty
	fault    fault
	listener net.Listener
	server   *grpc.Server
	ended    chan struct{}
	once     sync.Once
}

func (b *sandbox) die() { b.once.Do(func() { close(b.ended) }) }

func (b *sandbox) serve(_ any, stream grpc.ServerStream) error {
	switch b.fault {
	case hangs:
		b.owner.hangs()
		<-stream.Context().Done()
	case dies:
		b.die()
		go b.server.Stop()
		<-stream.Context().Done()
	case killsOthers:
		for _, other := range b.owner.boxes {
			if other != b {
				other.die()
			}
		}
	case answersWrongly:
		return stream.SendMsg(&[]byte{0x0a, 1, 'x'})
	case none, tooFree, stays:
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		method, _ := grpc.MethodFromServerStream(stream)
		reply, err := right(method, request)
		if err != nil {
			return err
		}
		return stream.SendMsg(&reply)
	}
	return errors.New("gone")
}

// right is the right reply of the null call, of fibonacci-go and of auth-go, written
// as vSwarm's functions write it.
func right(method string, request []byte) ([]byte, error) {
	switch method {
	case "/fibonacci.Greeter/SayHello":
		var q fibonaccipb.HelloRequest
		if err := proto.Unmarshal(request, &q); err != nil {
			return nil, err
		}
		a, b := big.NewInt(0), big.NewInt(1)
		n, err := strconv.Atoi(q.GetName())
		for range n {
			a, b = b, a.Add(a, b)
		}
		reply, _ := proto.Marshal(&fibonaccipb.HelloReply{Message: fmt.Sprintf("fn: Fib: y = fib(x) | x: %d y: %d | runtime: GoLang", n, a)})
		return reply, err
	case "/auth.Greeter/SayHello": // of the classes unauthorized and invalid
		var q authpb.HelloRequest
		if err := proto.Unmarshal(request, &q); err != nil {
			return nil, err
		}
		answer := "Error: Invalid token"
		if q.GetName() == "unauthorized" {
			answer = "Unauthorized"
		}
		return proto.Marshal(&authpb.HelloReply{Message: fmt.Sprintf("fn: Auth | token: %s | resp: %s | runtime: golang", q.GetName(), answer)})
	}
	return nil, nil
}

func (b *sandbox) Start(context.Context) error {
	switch b.fault {
	case cannotStart:
		return errors.New("exec format error")
	case diesAtStart:
		b.die()
	case neverListens: // it accepts connections and says nothing
		b.owner.hangs()
	default:
		go func() { _ = b.server.Serve(b.listener) }()
	}
	return nil
}

// Confined makes the sandbox a driver.Confiner.
func (b *sandbox) Confined() error {
	if b.fault == tooFree {
		return errors.New("CapEff is 400")
	}
	return nil
}

func (b *sandbox) Addr() string                                  { return b.listener.Addr().String() }
func (b *sandbox) Connect(ctx context.Context) (net.Conn, error) { return connect(ctx, b.Addr()) }
func (b *sandbox) Ended() <-chan struct{}                        { return b.ended }
func (b *sandbox) LastWords() string                             { return "segmentation fault in f()" }
func (b *sandbox) Remove(context.Context) error {
	b.owner.live--
	b.server.Stop()
	_ = b.listener.Close() // the server may have closed it
	if b.fault == stays {
		return errors.New("device or resource busy")
	}
	return nil
}

func connect(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// host starts installed functions as processes of this machine.
type host struct{ root string }

func installed(t *testing.T) host {
	t.Helper()
	root := filepath.Join("..", "..", "..", "bin", "functions")
	if _, err := os.Stat(filepath.Join(root, "fibonacci-go")); err != nil {
		t.Skip("no functions to call: make -C functions install")
	}
	return host{root}
}

func (h host) Create(_ context.Context, s driver.Spec) (driver.Sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close() }() // the function takes its place
	port := listener.Addr().(*net.TCPAddr).Port
	c := &child{addr: listener.Addr().String(), env: append(os.Environ(), s.Env...)}
	if s.Function == nil {
		c.argv = s.Database.Command("127.0.0.1", port)
		return c, nil
	}
	argv, env, err := s.Function.Command(h.root, port)
	c.argv, c.env = argv, append(c.env, env...)
	return c, err
}

type child struct {
	argv, env []string
	addr      string
	process   *process.Process
}

func (c *child) Start(context.Context) (err error) {
	c.process, err = process.Start(process.Spec{Args: c.argv, Env: c.env})
	return err
}
func (c *child) Addr() string                                  { return c.addr }
func (c *child) Connect(ctx context.Context) (net.Conn, error) { return connect(ctx, c.addr) }
func (c *child) Ended() <-chan struct{}                        { return c.process.Done() }
func (c *child) LastWords() string                             { return "pid " + strconv.Itoa(c.process.PID()) }
func (c *child) Remove(context.Context) error {
	c.process.Stop(time.Second)
	return nil
}
