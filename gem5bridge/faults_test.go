package gem5bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/process"
)

func TestMain(m *testing.M) {
	plugins := maps.Clone(bridgetest.Faults)
	plugins["clockwork"] = func() { gem5bridge.Serve(bridgetest.Clockwork{}) }
	plugins["chatty"] = func() { gem5bridge.Serve(chatty{}) }
	maps.Copy(plugins, stepPlugins())
	maps.Copy(plugins, tellers)
	bridgetest.Main(m, plugins)
}

// marked adds a mark to a plugin's environment and checks that nothing with
// that mark is left at the end of the test.
func marked(t *testing.T, config gem5bridge.Config) gem5bridge.Config {
	t.Helper()
	mark := fmt.Sprintf("GEM5BRIDGE_TEST=%d %s", os.Getpid(), t.Name())
	config.Env = append(config.Env, mark)
	t.Cleanup(func() {
		require.Empty(t, process.Find(func(p process.Stray) bool { return p.HasEnv(mark) }), "left behind")
	})
	return config
}

func connect(t *testing.T, config gem5bridge.Config) *gem5bridge.Simulator {
	t.Helper()
	s, err := gem5bridge.Connect(t.Context(), marked(t, config))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConnectFails(t *testing.T) {
	t.Parallel()
	as := func(target any) func(*testing.T, error) {
		return func(t *testing.T, err error) { t.Helper(); require.ErrorAs(t, err, target) }
	}
	says := func(texts ...string) func(*testing.T, error) {
		return func(t *testing.T, err error) {
			t.Helper()
			for _, text := range texts {
				require.ErrorContains(t, err, text)
			}
		}
	}
	tests := []struct {
		plugin string
		want   error
		check  func(*testing.T, error)
	}{
		{"talks garbage", gem5bridge.ErrProtocol, says("usage: frobnicate FILE", "right program")},
		{"says nothing", gem5bridge.ErrPluginSilent, says("does not serve in time")},
		{"exits at once", gem5bridge.ErrPluginDied, says("exit status 3", "libfoo.so: not found")},
		{"shakes hands and never listens", gem5bridge.ErrPluginSilent, says("does not serve in time")},
		{"speaks version 0", gem5bridge.ErrVersion, says("protocol 0", "rebuild the plugin")},
		{"speaks version 9", gem5bridge.ErrVersion, as(new(*gem5bridge.VersionError))},
		{"leaves processes before handshake", gem5bridge.ErrPluginSilent, says("does not serve in time")},
	}
	for _, test := range tests {
		t.Run(test.plugin, func(t *testing.T) {
			t.Parallel()
			config := marked(t, bridgetest.Plugin(test.plugin))
			config.StartTimeout = 2 * time.Second
			if !errors.Is(test.want, gem5bridge.ErrPluginSilent) {
				config.StartTimeout = time.Minute // whatever else is wrong shows before
			}
			_, err := gem5bridge.Connect(t.Context(), config)
			require.ErrorIs(t, err, test.want)
			test.check(t, err)
		})
	}
	t.Run("no such program", func(t *testing.T) {
		t.Parallel()
		_, err := gem5bridge.Connect(t.Context(), gem5bridge.Config{Command: []string{"/nonexistent/plugin"}})
		require.ErrorIs(t, err, os.ErrNotExist)
		require.ErrorContains(t, err, "check the path")
	})
	t.Run("no command", func(t *testing.T) {
		t.Parallel()
		_, err := gem5bridge.Connect(t.Context(), gem5bridge.Config{})
		require.ErrorContains(t, err, "no command given")
	})
	t.Run("cancelled while the plugin starts", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := gem5bridge.Connect(ctx, marked(t, bridgetest.Plugin("says nothing")))
		require.ErrorIs(t, err, gem5bridge.ErrCancelled)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestThePluginFailsInTheMiddleOfAJob(t *testing.T) {
	t.Parallel()
	tests := []struct {
		plugin string
		want   error
		says   []string
	}{
		{"panics after 3 samples", gem5bridge.ErrPluginDied, []string{"exit status 2", "out of cheese"}},
		{"exits well after 3 samples", gem5bridge.ErrPluginDied, []string{"exit status 0"}},
		{"stops after 3 samples", gem5bridge.ErrPluginSilent, []string{"no event for 2s"}},
		{"says it is done after 3 samples", gem5bridge.ErrProtocol, []string{"3 of 5 samples of alpha/default warm"}},
		{"sends half a sample", gem5bridge.ErrProtocol, []string{"every field of the key"}},
		{"leaves processes and panics", gem5bridge.ErrPluginDied, []string{"out of cheese"}},
	}
	for _, test := range tests {
		t.Run(test.plugin, func(t *testing.T) {
			t.Parallel()
			config := bridgetest.Plugin(test.plugin)
			if errors.Is(test.want, gem5bridge.ErrPluginSilent) {
				config.Silence = 2 * time.Second
			}
			s := connect(t, config)
			job := goodJob()
			job.Cells[0].Count = 5
			samples, err := run(t.Context(), s, job)
			require.ErrorIs(t, err, test.want)
			for _, text := range test.says {
				require.ErrorContains(t, err, text)
			}
			require.LessOrEqual(t, len(samples), 3)
			require.NoError(t, s.Close())
		})
	}
}

func run(ctx context.Context, s *gem5bridge.Simulator, job gem5bridge.Job) ([]servicetime.Sample, error) {
	var samples []servicetime.Sample
	for sample, err := range s.Sample(ctx, job, nil) {
		if err != nil {
			return samples, err
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

func TestEveryKindOfFailureIsRebuilt(t *testing.T) {
	t.Parallel()
	s := connect(t, bridgetest.Plugin("has every kind of error"))
	samples, err := run(t.Context(), s, goodJob())
	require.Len(t, samples, 3)
	kinds := []error{
		gem5bridge.ErrInvalidJob, gem5bridge.ErrUnsupported, gem5bridge.ErrNotReady, gem5bridge.ErrWrongReply,
		gem5bridge.ErrFunctionDied, gem5bridge.ErrDeadline, gem5bridge.ErrCancelled,
	}
	leaves := bridgetest.Leaves(err)
	require.Len(t, leaves, len(kinds))
	for i, kind := range kinds {
		require.ErrorIs(t, err, kind)
		require.Equal(t, &gem5bridge.Failure{
			Kind: kind, Function: "alpha", Input: "default", Condition: servicetime.LukewarmAfter(4), Text: "because of " + kind.Error(),
		}, leaves[i])
	}
}

func TestAnErrorWithoutAKindKeepsItsText(t *testing.T) {
	t.Parallel()
	s := connect(t, bridgetest.Plugin("has no kind of error"))
	_, err := run(t.Context(), s, goodJob())
	require.EqualError(t, err, "sample: disk is full")
}

func TestAPluginThatNeverSendsIsCancelled(t *testing.T) {
	t.Parallel()
	s := connect(t, bridgetest.Plugin("waits for ever after 3 samples"))
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	samples, last := 0, error(nil)
	for _, err := range s.Sample(ctx, goodJob(), nil) {
		if last = err; err != nil {
			break
		}
		if samples++; samples == 3 {
			time.AfterFunc(100*time.Millisecond, func() { cancel(enough) }) // while it waits for the next
		}
	}
	require.Equal(t, 3, samples)
	require.ErrorIs(t, last, gem5bridge.ErrCancelled)
	require.ErrorIs(t, last, enough)
	require.NoError(t, s.Close(), "the plugin ignores that its job was cancelled, and is killed")
}

func TestCloseEndsWhatThePluginHasStarted(t *testing.T) {
	t.Parallel()
	s := connect(t, bridgetest.Plugin("leaves processes and waits"))
	for sample, err := range s.Sample(t.Context(), goodJob(), nil) {
		require.NoError(t, err)
		if sample.N == 2 {
			break
		}
	}
	require.NoError(t, s.Close()) // connect checks that nothing is left
}

// TestASlowReaderHoldsThePluginBack gives the bound that the package promises:
// 64 KiB in gRPC's window and 64 KiB in its write quota.
func TestASlowReaderHoldsThePluginBack(t *testing.T) {
	t.Parallel()
	s := connect(t, bridgetest.Plugin("clockwork"))
	job := goodJob()
	job.WorkDir = t.TempDir()
	job.Cells = job.Cells[:1]
	job.Cells[0].Count = 5000
	received := 0
	for _, err := range s.Sample(t.Context(), job, nil) {
		require.NoError(t, err)
		received++
		if received > 1 {
			continue
		}
		last, same := 0, 0
		require.Eventually(t, func() bool {
			now := bridgetest.Tally(job.WorkDir)
			if now == last {
				same++
			} else {
				last, same = now, 0
			}
			return same == 20
		}, time.Minute, 20*time.Millisecond)
		const sampleBytes = 128 // of a clockwork sample and its progress, at least
		require.Greater(t, last, 1, "the plugin works ahead")
		require.Less(t, last, 128<<10/sampleBytes, "the plugin runs away")
	}
	require.Equal(t, 5000, received)
}

func TestASecondJobWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	s := connect(t, bridgetest.Plugin("clockwork"))
	long := goodJob()
	long.Cells = long.Cells[:1]
	long.Cells[0].Count = 1 << 20
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	started := make(chan struct{})
	group.Go(func() {
		begin := sync.OnceFunc(func() { close(started) })
		for _, err := range s.Sample(ctx, long, nil) {
			begin()
			if err != nil {
				require.ErrorIs(t, err, gem5bridge.ErrCancelled)
			}
		}
	})
	<-started
	impatient, giveUp := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer giveUp()
	_, err := run(impatient, s, goodJob())
	require.ErrorIs(t, err, gem5bridge.ErrCancelled)

	cancel()
	group.Wait()
	samples, err := run(t.Context(), s, goodJob())
	require.NoError(t, err)
	require.Len(t, samples, 4)
}

// chatty logs and writes to its standard streams.
type chatty struct{ bridgetest.Clockwork }

func (c chatty) Sample(ctx context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	fmt.Println("this is for nobody")
	fmt.Fprintln(os.Stderr, "this is for developers")
	err := emit(gem5bridge.Event{Log: &gem5bridge.Log{Level: slog.LevelWarn, Message: "core is shared", Attributes: map[string]string{"core": "1", "by": "all"}}})
	return errors.Join(err, c.Clockwork.Sample(ctx, job, emit))
}

func TestThePluginsLogArrives(t *testing.T) {
	t.Parallel()
	var buffer syncBuffer
	config := bridgetest.Plugin("chatty")
	config.Log = slog.New(slog.NewTextHandler(&buffer, &slog.HandlerOptions{Level: slog.LevelInfo}))
	s := connect(t, config)
	_, err := run(t.Context(), s, goodJob())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Contains(t, buffer.String(), `level=WARN msg="core is shared" by=all core=1`)
	require.Equal(t, 1, strings.Count(buffer.String(), "\n"), "at level Info a good run logs what the back end says, and no more: %s", buffer.String())
}

// syncBuffer is a buffer that several goroutines may log to.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
