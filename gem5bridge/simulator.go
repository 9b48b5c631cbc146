package gem5bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"microcosm/gem5bridge/bridgepb"
	"microcosm/gem5bridge/process"
)

// Times that Config leaves open, and the plugin's time to end by itself.
const (
	defaultStartTimeout = 15 * time.Second
	defaultSilence      = 30 * time.Second
	grace               = 2 * time.Second
)

// window is gRPC's flow control window. Giving it switches off the window that
// grows with the bandwidth, so that the plugin feels a slow reader early.
const window = 64 << 10

// RunVariable is the environment variable that marks a plugin; its value is
// drawn anew for every plugin. A back end passes it on to what it starts, so
// that nothing that leaves the plugin's session escapes Close.
const RunVariable = "MICROCOSM_BRIDGE_RUN"

// Config says how to start a plugin.
type Config struct {
	Command      []string      // the plugin's program and its arguments
	Env          []string      // added to this process's environment
	Log          *slog.Logger  // nil discards
	StartTimeout time.Duration // until the plugin serves; 0 is 15 s
	Silence      time.Duration // without any event the plugin is ended; 0 is 30 s, a plugin speaks every 5 s
}

// Simulator is a running plugin. It is safe for concurrent use; the plugin runs
// one job at a time, a second one waits.
type Simulator struct {
	client  bridgepb.SimulatorClient
	plugin  *plugin.Client
	child   *child
	stderr  *process.Tail
	log     *slog.Logger
	silence time.Duration

	silent atomic.Bool // ended for its silence
	closed atomic.Bool
	close  func() error
}

// Connect starts a plugin and returns when it serves. Its errors are ErrVersion,
// ErrProtocol (it is no plugin), ErrPluginDied, ErrPluginSilent, ErrCancelled,
// or that of a program that cannot be started; nothing is left running then.
func Connect(ctx context.Context, config Config) (*Simulator, error) {
	if len(config.Command) == 0 {
		return nil, errors.New("connect to a plugin: no command given")
	}
	if config.StartTimeout == 0 {
		config.StartTimeout = defaultStartTimeout
	}
	if config.Silence == 0 {
		config.Silence = defaultSilence
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	start, cancel := context.WithTimeout(ctx, config.StartTimeout)
	defer cancel()
	s := &Simulator{
		child:   &child{args: config.Command, start: start},
		stderr:  &process.Tail{},
		log:     config.Log,
		silence: config.Silence,
	}
	if err := s.connect(config); err != nil {
		err = fmt.Errorf("connect to plugin %s: %w", config.Command[0], s.whyNot(ctx, err))
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// connect starts the plugin's process and dials it. go-plugin's dialling knows
// no deadline, but it ends with the process, which child ends.
func (s *Simulator) connect(config Config) error {
	mark := RunVariable + "=" + rand.Text()
	var conns connections
	s.plugin = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: versions(nil),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		StartTimeout:     config.StartTimeout + grace, // the child's comes first
		Logger:           pluginLog(s.log),
		Stderr:           s.stderr,
		SyncStderr:       s.stderr,
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithInitialWindowSize(window),
			grpc.WithInitialConnWindowSize(window),
			grpc.WithChainStreamInterceptor(conns.remember),
		},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			s.child.env = slices.Concat(cmd.Env, config.Env, []string{mark})
			return s.child, nil
		},
	})
	s.close = sync.OnceValue(func() error {
		s.closed.Store(true)
		s.end()
		conns.close()
		if left := process.KillStrays(func(p process.Stray) bool { return p.HasEnv(mark) }); len(left) > 0 {
			return fmt.Errorf("close plugin: process %d and %d others cannot be killed", left[0].PID, len(left)-1)
		}
		return nil
	})

	rpc, err := s.plugin.Client()
	if err != nil {
		return err
	}
	if err := rpc.Ping(); err != nil {
		return err
	}
	if !s.child.serving() {
		return s.child.start.Err()
	}
	client, err := rpc.Dispense(service)
	if err != nil {
		return err
	}
	s.client = client.(bridgepb.SimulatorClient) // what glue returns
	return nil
}

// whyNot turns the failure to connect into a typed error.
func (s *Simulator) whyNot(ctx context.Context, err error) error {
	line := s.child.first.String()
	version, spoken := spokenVersion(line)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrCancelled, context.Cause(ctx))
	case s.child.process == nil:
		return fmt.Errorf("%w; check the path of the plugin's program", err)
	case spoken && version != protocolVersion:
		return &VersionError{Plugin: version, Host: []int{protocolVersion}}
	case line != "" && !spoken:
		return fmt.Errorf("%w: it begins with %.80q, not with a handshake; is this the right program?", ErrProtocol, line)
	case s.child.start.Err() != nil:
		return fmt.Errorf("%w: it does not serve in time; its last words: %q", ErrPluginSilent, s.stderr.Lines())
	case s.child.dead(drain):
		return s.died()
	default:
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
}

func (s *Simulator) died() error {
	return &PluginDiedError{State: s.child.process.State(), Stderr: s.stderr.Lines()}
}

// Close ends the plugin and everything it started, and returns when nothing of
// it is left. Running jobs end with an error that wraps os.ErrClosed. Its error
// names a process that even SIGKILL does not end. Closing again does nothing and
// returns the same.
func (s *Simulator) Close() error { return s.close() }

// end ends the plugin's process. Asking it to shut down knows no deadline
// either, so it is killed when it has not ended by itself after a while.
func (s *Simulator) end() {
	if s.child.process != nil {
		guard := time.AfterFunc(grace, s.child.kill)
		defer guard.Stop()
	}
	s.plugin.Kill()
}

// Describe asks the plugin what it can measure under setup.
func (s *Simulator) Describe(ctx context.Context, setup Setup) (Description, error) {
	defer s.watch().Stop()
	call, cancel := detach(ctx)
	defer cancel()
	wire, err := s.client.Describe(call, setupToWire(setup))
	if err != nil {
		return Description{}, fmt.Errorf("describe plugin: %w", s.why(ctx, err))
	}
	description, err := descriptionFromWire(wire)
	if err != nil {
		return Description{}, fmt.Errorf("describe plugin: %w", err)
	}
	return description, nil
}

// why turns an error of a call into a typed one.
func (s *Simulator) why(ctx context.Context, err error) error {
	failures := failuresOf(err)
	switch {
	case s.closed.Load():
		return fmt.Errorf("the plugin was closed: %w", os.ErrClosed)
	case s.silent.Load():
		return fmt.Errorf("%w: no event for %v; it was ended", ErrPluginSilent, s.silence)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrCancelled, context.Cause(ctx))
	case failures != nil:
		return failures
	case s.child.dead(drain):
		return s.died()
	default:
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
}

// connections remembers the connections that go-plugin makes, since it forgets
// to close one to a plugin that dies while it is dialled.
type connections struct {
	mu  sync.Mutex
	all []*grpc.ClientConn
}

func (c *connections) remember(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c.mu.Lock()
	if !slices.Contains(c.all, conn) {
		c.all = append(c.all, conn)
	}
	c.mu.Unlock()
	return open(ctx, desc, conn, method, opts...)
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.all {
		_ = conn.Close() // most are closed already
	}
}
