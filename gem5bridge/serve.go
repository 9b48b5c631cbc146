package gem5bridge

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"microcosm/gem5bridge/bridgepb"
)

// heartbeat is how long a plugin stays silent at most.
const heartbeat = 5 * time.Second

// Serve makes this process a plugin that measures with backend. It returns when
// the host is gone or has closed the plugin, after the running job has ended.
// It ends a process that was not started by Connect with status 1.
func Serve(backend Backend) {
	server := newServer(backend)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: versions(server),
		GRPCServer:       plugin.DefaultGRPCServer,
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
	server.drain()
}

// server puts a Backend on the wire.
type server struct {
	bridgepb.UnimplementedSimulatorServer
	backend Backend
	turn    chan struct{} // holds a token while a job runs
	jobs    sync.WaitGroup
}

func newServer(backend Backend) *server {
	return &server{backend: backend, turn: make(chan struct{}, 1)}
}

// drain waits for the running job, whose context has ended, to leave nothing
// behind. The host kills a plugin that takes longer.
func (s *server) drain() { s.jobs.Wait() }

// Describe implements bridgepb.SimulatorServer.
func (s *server) Describe(ctx context.Context, setup *bridgepb.Setup) (*bridgepb.Description, error) {
	description, err := s.backend.Describe(ctx, setupFromWire(setup))
	if err != nil {
		return nil, statusOf(err)
	}
	return descriptionToWire(description), nil
}

// Sample implements bridgepb.SimulatorServer.
func (s *server) Sample(job *bridgepb.Job, stream grpc.ServerStreamingServer[bridgepb.Event]) error {
	s.jobs.Add(1)
	defer s.jobs.Done()
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	out := &outlet{stream: stream, last: time.Now()}
	var alive sync.WaitGroup
	defer alive.Wait() // nothing may be sent once this method has returned
	defer cancel()
	alive.Go(func() { out.keepAlive(ctx) })

	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return statusOf(ctx.Err())
	}
	return statusOf(s.backend.Sample(ctx, jobFromWire(job), out.emit))
}

// outlet sends events one at a time. A send blocks while the reader is behind.
type outlet struct {
	mu     sync.Mutex
	stream grpc.ServerStreamingServer[bridgepb.Event]
	last   time.Time // when something was sent
}

func (o *outlet) emit(e Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.stream.Send(eventToWire(e)); err != nil {
		return err
	}
	o.last = time.Now()
	return nil
}

// silent is how long nothing has been sent.
func (o *outlet) silent() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.last)
}

// keepAlive says that the plugin lives whenever it has said nothing for long.
func (o *outlet) keepAlive(ctx context.Context) {
	timer := time.NewTimer(heartbeat)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if left := heartbeat - o.silent(); left > 0 {
			timer.Reset(left)
			continue
		}
		if o.emit(Event{Progress: &Progress{Cell: WholeJob}}) != nil {
			return
		}
		timer.Reset(heartbeat)
	}
}
