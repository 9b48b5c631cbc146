package gem5bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/gem5bridge/bridgepb"
)

// scripted is a back end that is a function.
type scripted func(ctx context.Context, emit func(Event) error) error

func (s scripted) Describe(context.Context, Setup) (Description, error) { return Description{}, nil }

func (s scripted) Sample(ctx context.Context, _ Job, emit func(Event) error) error {
	return s(ctx, emit)
}

// received is the host's side of a stream: it notes what comes and when.
type received struct {
	grpc.ServerStreamingServer[bridgepb.Event]
	ctx   context.Context
	begun time.Time

	mu     sync.Mutex
	events []*bridgepb.Event
	at     []time.Duration
	broken error // of every send from now on
}

func (r *received) Context() context.Context { return r.ctx }

func (r *received) Send(e *bridgepb.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	r.events, r.at = append(r.events, e), append(r.at, time.Since(r.begun))
	return nil
}

// sampled runs a back end behind a server to its end.
func sampled(ctx context.Context, s scripted) (*received, error) {
	stream := &received{ctx: ctx, begun: time.Now()}
	err := newServer(s).Sample(&bridgepb.Job{}, stream)
	return stream, err
}

func beat(n int) Event { return Event{Progress: &Progress{Cell: 0, Done: n}} }

func TestAPluginThatWorksInSilenceSpeaksEveryFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, err := sampled(t.Context(), func(context.Context, func(Event) error) error {
			time.Sleep(23 * time.Second)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second}, stream.at)
		for _, e := range stream.events {
			require.EqualValues(t, WholeJob, e.GetProgress().GetCell())
			require.Empty(t, e.GetProgress().GetPhase(), "it is alive, and says no more")
		}
	})
}

func TestAPluginThatSpeaksByItselfIsNotInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, err := sampled(t.Context(), func(_ context.Context, emit func(Event) error) error {
			for n := range 20 {
				time.Sleep(1500 * time.Millisecond)
				if err := emit(beat(n)); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err)
		require.Len(t, stream.events, 20)
		for n, e := range stream.events {
			require.EqualValues(t, n, e.GetProgress().GetDone(), "in the order in which they were emitted")
		}
	})
}

// TestNoSilenceIsLongerThanAHeartbeat lets a plugin speak at odd times.
func TestNoSilenceIsLongerThanAHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, err := sampled(t.Context(), func(_ context.Context, emit func(Event) error) error {
			for n := range 4 {
				time.Sleep(5*time.Second + time.Millisecond)
				if err := emit(beat(n)); err != nil {
					return err
				}
				time.Sleep(13 * time.Second)
			}
			return nil
		})
		require.NoError(t, err)
		last := time.Duration(0)
		for _, at := range stream.at {
			require.LessOrEqual(t, at-last, heartbeat)
			last = at
		}
		require.Less(t, 3*heartbeat, defaultSilence, "or a plugin at work would be ended where the machine is busy")
	})
}

// TestEmittingFromManyGoroutines sends one at a time and loses none.
func TestEmittingFromManyGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, err := sampled(t.Context(), func(_ context.Context, emit func(Event) error) error {
			var all sync.WaitGroup
			for worker := range 8 {
				all.Go(func() {
					for n := range 50 {
						if emit(Event{Progress: &Progress{Cell: worker, Done: n}}) != nil {
							t.Error("the reader is there")
						}
					}
				})
			}
			all.Wait()
			return nil
		})
		require.NoError(t, err)
		next := map[int32]int64{}
		for _, e := range stream.events {
			p := e.GetProgress()
			require.Equal(t, next[p.GetCell()], p.GetDone(), "each worker's in its order")
			next[p.GetCell()]++
		}
		require.Len(t, stream.events, 8*50)
	})
}

func TestAReaderThatIsGoneEndsTheJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := status.Error(codes.Unavailable, "transport is closing")
		stream := &received{ctx: t.Context(), begun: time.Now()}
		sent := 0
		err := newServer(scripted(func(_ context.Context, emit func(Event) error) error {
			for {
				if err := emit(beat(sent)); err != nil {
					return fmt.Errorf("emit: %w", err)
				}
				sent++
				if sent == 3 {
					stream.broken = gone
				}
			}
		})).Sample(&bridgepb.Job{}, stream)
		require.Error(t, err)
		require.ErrorContains(t, err, "transport is closing")
		require.Equal(t, 3, sent)
	})
}

// TestJobsTakeTurns runs one job at a time; one that is cancelled while it waits was
// never begun.
func TestJobsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		running, most, begun := 0, 0, 0
		server := newServer(scripted(func(context.Context, func(Event) error) error {
			running++
			begun++
			most = max(most, running)
			time.Sleep(20 * time.Second)
			running--
			return nil
		}))
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if err := server.Sample(&bridgepb.Job{}, &received{ctx: t.Context(), begun: time.Now()}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		impatient, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		waiting := &received{ctx: impatient, begun: time.Now()}
		begin := time.Now()
		err := server.Sample(&bridgepb.Job{}, waiting)
		require.Equal(t, time.Second, time.Since(begin))
		require.Error(t, err)
		require.Empty(t, waiting.events)

		patient := &received{ctx: t.Context(), begun: time.Now()}
		require.NoError(t, server.Sample(&bridgepb.Job{}, patient))
		require.NotEmpty(t, patient.events, "who waits for his turn is told that the plugin lives")
		group.Wait()
		server.drain()
		require.Equal(t, 1, most)
		require.Equal(t, 4, begun)
	})
}

// TestACancelledWaitIsCancelled tells a job that was cancelled before its turn from
// one that failed.
func TestACancelledWaitIsCancelled(t *testing.T) {
	t.Parallel()
	server := newServer(scripted(func(context.Context, func(Event) error) error { return errors.New("never begun") }))
	server.turn <- struct{}{} // another job runs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := server.Sample(&bridgepb.Job{}, &received{ctx: ctx})
	require.Equal(t, codes.Canceled, status.Code(err))
	require.ErrorIs(t, failuresOf(err), ErrCancelled)
}
