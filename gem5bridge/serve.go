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
	server := &server{backend: backend, turn: make(chan struct{}, 1)}
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
	out := &outlet{stream: stream, sent: make(chan struct{}, 1)}
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
	sent   chan struct{} // holds a token if something was sent since the last heartbeat
}

func (o *outlet) emit(e Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.stream.Send(eventToWire(e)); err != nil {
		return err
	}
	select {
	case o.sent <- struct{}{}:
	default:
	}
	return nil
}

// keepAlive says that the plugin lives whenever it has said nothing for long.
func (o *outlet) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case <-o.sent:
			continue
		default:
		}
		if o.emit(Event{Progress: &Progress{Cell: WholeJob}}) != nil {
			return
		}
	}
}
