//go:build linux

package guest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"microcosm/functions"
	"microcosm/images/guest/driver"
	"microcosm/images/guest/job"
	"microcosm/images/guest/m5"
)

// boxes makes sandboxes within this process that answer every call with nothing: the
// null function.
type boxes struct{ made, removed int }

func (b *boxes) Create(context.Context, driver.Spec) (driver.Sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b.made++
	server := grpc.NewServer(grpc.ForceServerCodec(functions.RawCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		return stream.SendMsg(&[]byte{})
	}))
	return &sandbox{b, server, listener, make(chan struct{})}, nil
}

type sandbox struct {
	owner    *boxes
	server   *grpc.Server
	listener net.Listener
	served   chan struct{}
}

func (s *sandbox) Start(context.Context) error {
	go func() { defer close(s.served); _ = s.server.Serve(s.listener) }()
	return nil
}
func (s *sandbox) Addr() string { return s.listener.Addr().String() }
func (s *sandbox) Connect(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", s.Addr())
}
func (s *sandbox) Ended() <-chan struct{} { return nil }
func (s *sandbox) LastWords() string      { return "" }
func (s *sandbox) Remove(context.Context) error {
	s.owner.removed++
	s.server.Stop()
	<-s.served
	return nil
}

// steady is a meter of cores that do nothing.
type steady struct{}

func (steady) Cores() ([]job.Core, error) { return []job.Core{{Core: 0}, {Core: 1}}, nil }

// working returns an agent in a simulator whose functions answer.
func working(t *testing.T, execute func(m5.Op, [4]uint64) uint64) (*agent, *boxes) {
	t.Helper()
	all, err := functions.Load()
	require.NoError(t, err)
	machine, b := m5.New(execute), &boxes{}
	a := &agent{console: &strings.Builder{}, id: unknown}
	a.use(&gem5Link{machine: machine}, driver.Config{Catalog: all.Lookup, Launcher: b, Meter: steady{}, Marker: machine, Machine: "gem5"})
	t.Cleanup(func() {
		require.NoError(t, a.driver.Close(context.Background()))
		require.Equal(t, b.made, b.removed)
	})
	return a, b
}

func null(id, then string, count int) string {
	return fmt.Sprintf(`{"format":1,"id":%q,"seed":1,"then":%q,"steps":[{"mode":"null","count":%d}]}`, id, then, count)
}

// TestTheAgentDoesJobAfterJob: every restore hands in the next job, whose records go
// into a file of their own.
func TestTheAgentDoesJobAfterJob(t *testing.T) {
	t.Parallel()
	jobs := []string{null("one", "checkpoint", 2), null("two", "checkpoint", 1), null("three", "off", 3)}
	s := &simulator{job: jobs[0], file: map[string]string{}}
	a, made := working(t, func(op m5.Op, args [4]uint64) uint64 {
		if op == m5.Checkpoint {
			jobs = jobs[1:]
			s.job = jobs[0]
		}
		return s.execute(op, args)
	})
	require.NoError(t, a.told(func() error { return a.work(context.Background()) }))
	a.link.Off(false)
	require.Len(t, s.file, 3)
	for id, calls := range map[string]int{"one": 2, "two": 1, "three": 3} {
		records, err := job.ReadRecords(strings.NewReader(s.file["records-"+id]))
		require.NoError(t, err, id)
		end := records[len(records)-1]
		require.Equal(t, job.OK, end.Status)
		require.Equal(t, id, end.Job)
		got := 0
		for _, r := range records {
			if r.Kind == job.Call {
				got++
			}
		}
		require.Equal(t, calls, got, id)
	}
	require.Equal(t, 1, made.made, "the sandbox is in the checkpoint")
	var story []m5.Op // but for the files
	for _, op := range s.ops {
		if op != m5.ReadFile && op != m5.WriteFile {
			story = append(story, op)
		}
	}
	item := []m5.Op{m5.WorkBegin, m5.WorkEnd}
	require.Equal(t, append(append(append(append(append(append([]m5.Op{}, item...), item...), m5.Checkpoint), item...), m5.Checkpoint),
		m5.WorkBegin, m5.WorkEnd, m5.WorkBegin, m5.WorkEnd, m5.WorkBegin, m5.WorkEnd, m5.Exit), story, "work items enclose calls, and nothing fails")
}

func TestAJobAfterACheckpointThatFailsIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ second, file, want string }{
		"the same again": {null("one", "off", 1), "records-unknown", "the job after the checkpoint is one again: hand in another"},
		"none":           {"", "records-unknown", "the simulator hands in no job: set its readfile"},
		"one that fails": {`{"format":1,"id":"two","seed":1,"then":"off","steps":[{"mode":"warm","function":"nobody","count":1}]}`, "records-two", `step 0: nobody: unknown function "nobody"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &simulator{job: null("one", "checkpoint", 1), file: map[string]string{}}
			a, _ := working(t, func(op m5.Op, args [4]uint64) uint64 {
				if op == m5.Checkpoint {
					s.job = c.second
				}
				return s.execute(op, args)
			})
			require.ErrorContains(t, a.told(func() error { return a.work(context.Background()) }), c.want)
			first, err := job.ReadRecords(strings.NewReader(s.file["records-one"]))
			require.NoError(t, err)
			require.Equal(t, job.OK, first[len(first)-1].Status, "what was done before stays done")
			records, err := job.ReadRecords(strings.NewReader(s.file[c.file]))
			require.NoError(t, err)
			require.Contains(t, records[len(records)-1].Reason, c.want)
		})
	}
}

// TestASimulatorThatDoesNotWork: the error says what it did, and nothing goes on.
func TestASimulatorThatDoesNotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		execute func(s *simulator, op m5.Op, args [4]uint64) uint64
		want    string
	}{
		"it does not write": {func(s *simulator, op m5.Op, args [4]uint64) uint64 {
			if op == m5.WriteFile {
				return 0
			}
			return s.execute(op, args)
		}, "write record 0: write the simulator's file records-one: 0 of "},
		"it answers more than was asked for": {func(*simulator, m5.Op, [4]uint64) uint64 { return 1<<64 - 1 }, "read the simulator's file: it answered -1"},
		"its file never ends":                {func(_ *simulator, _ m5.Op, args [4]uint64) uint64 { return args[1] }, "read the simulator's file: longer than 1048576 bytes"},
	} {
		s := &simulator{job: null("one", "off", 1), file: map[string]string{}}
		a, made := working(t, func(op m5.Op, args [4]uint64) uint64 { return c.execute(s, op, args) })
		require.ErrorContains(t, a.told(func() error { return a.work(context.Background()) }), c.want, name)
		require.Zero(t, made.made, name)
	}
}

// TestLongRecordsReachTheSimulatorWhole: a file is written in parts, and a job's
// first record begins it anew.
func TestLongRecordsReachTheSimulatorWhole(t *testing.T) {
	t.Parallel()
	s := &simulator{file: map[string]string{"records-x": "left by a run before"}}
	l := &gem5Link{machine: m5.New(s.execute)}
	var want strings.Builder
	for seq := range 4 {
		r := job.Record{Job: "x", Seq: seq, Kind: job.Start, Status: job.Failed, Reason: strings.Repeat("é", 1+seq*50_000)}
		line, err := job.Line(r)
		require.NoError(t, err)
		want.Write(line)
		require.NoError(t, l.Write(r))
	}
	require.Equal(t, want.String(), s.file["records-x"])
	require.NoError(t, l.Write(job.Record{Job: "y", Kind: job.Start, Status: job.OK}))
	require.Len(t, strings.Split(s.file["records-y"], "\n"), 2)
	require.Equal(t, want.String(), s.file["records-x"], "another job has another file")
	require.Error(t, l.Write(job.Record{Job: "y"}), "a record without a kind is none")
}
