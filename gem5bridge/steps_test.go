package gem5bridge_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/process"
)

// patience is how long a test waits for what must happen on a busy machine.
const patience = time.Minute

// The steps of the protocol at which a plugin can be found.
const (
	inDescribe       = "describe"
	beforeTheSamples = "before the first sample"
	amongTheSamples  = "after two samples"
	afterTheSamples  = "after the last sample"
)

var steps = []string{inDescribe, beforeTheSamples, amongTheSamples, afterTheSamples}

// stepper is Clockwork that stays at one step and heeds nobody.
type stepper struct {
	bridgetest.Clockwork
	at string
}

// reachedFile is made in the setup's WorkDir once the step is reached.
const reachedFile = "reached"

func (s stepper) stay(at, dir string) {
	if s.at != at {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, reachedFile), nil, 0o600); err != nil {
		panic(err) // the test will say that the step was never reached
	}
	select {}
}

// Describe implements gem5bridge.Backend.
func (s stepper) Describe(ctx context.Context, setup gem5bridge.Setup) (gem5bridge.Description, error) {
	if setup.WorkDir != "" {
		s.stay(inDescribe, setup.WorkDir)
	}
	return s.Clockwork.Describe(ctx, setup)
}

// Sample implements gem5bridge.Backend.
func (s stepper) Sample(ctx context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	s.stay(beforeTheSamples, job.WorkDir)
	samples := 0
	err := s.Clockwork.Sample(ctx, job, func(e gem5bridge.Event) error {
		if e.Sample != nil {
			if samples++; samples == 3 {
				s.stay(amongTheSamples, job.WorkDir)
			}
		}
		return emit(e)
	})
	s.stay(afterTheSamples, job.WorkDir)
	return err
}

// stepPlugins are the plugins of this file, for TestMain.
func stepPlugins() map[string]func() {
	plugins := map[string]func(){}
	for _, step := range steps {
		plugins["stays at "+step] = func() { gem5bridge.Serve(stepper{at: step}) }
	}
	return plugins
}

// outcome is how a call ended.
type outcome struct {
	samples []servicetime.Sample
	err     error
}

// reach calls a plugin and returns once it stays at its step, with what will tell how
// the call ended.
func reach(ctx context.Context, t *testing.T, s *gem5bridge.Simulator, step string) <-chan outcome {
	t.Helper()
	dir := t.TempDir()
	ended := make(chan outcome, 1)
	go func() {
		if step == inDescribe {
			_, err := s.Describe(ctx, gem5bridge.Setup{WorkDir: dir})
			ended <- outcome{nil, err}
			return
		}
		job := goodJob()
		job.WorkDir = dir
		samples, err := run(ctx, s, job)
		ended <- outcome{samples, err}
	}()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, reachedFile))
		return err == nil
	}, patience, time.Millisecond, "the step is never reached")
	return ended
}

// wait returns how a call ended.
func wait(t *testing.T, ended <-chan outcome) outcome {
	t.Helper()
	select {
	case is := <-ended:
		return is
	case <-time.After(patience):
		require.Fail(t, "the call does not end")
		return outcome{}
	}
}

// leader is the plugin that a marked configuration has started.
func leader(t *testing.T, config gem5bridge.Config) process.Stray {
	t.Helper()
	mark := config.Env[len(config.Env)-1]
	var found []process.Stray
	require.Eventually(t, func() bool {
		found = process.Find(func(p process.Stray) bool { return p.Session == p.PID && p.HasEnv(mark) })
		return len(found) == 1
	}, patience, time.Millisecond)
	return found[0]
}

// TestWhateverHappensAtWhateverStep does to a plugin, at every step of the protocol,
// everything that may happen to it: the call ends with the error that says so, the
// samples that had come are there, and nothing is left.
func TestWhateverHappensAtWhateverStep(t *testing.T) {
	t.Parallel()
	reason := errors.New("enough")
	events := []struct {
		name string
		do   func(t *testing.T, s *gem5bridge.Simulator, plugin process.Stray, cancel context.CancelCauseFunc)
		want []error
		says string
		next error // of the call after
	}{
		{
			"it is killed", func(t *testing.T, _ *gem5bridge.Simulator, p process.Stray, _ context.CancelCauseFunc) {
				require.NoError(t, syscall.Kill(p.PID, syscall.SIGKILL))
			},
			[]error{gem5bridge.ErrPluginDied}, "signal: killed", gem5bridge.ErrPluginDied,
		},
		{
			"it stops", func(t *testing.T, _ *gem5bridge.Simulator, p process.Stray, _ context.CancelCauseFunc) {
				require.NoError(t, syscall.Kill(p.PID, syscall.SIGSTOP))
			},
			[]error{gem5bridge.ErrPluginSilent}, "no event for 8s; it was ended", gem5bridge.ErrPluginSilent,
		},
		{
			"the caller cancels", func(_ *testing.T, _ *gem5bridge.Simulator, _ process.Stray, cancel context.CancelCauseFunc) {
				cancel(reason)
			},
			[]error{gem5bridge.ErrCancelled, reason}, "enough", nil,
		},
		{
			"it is closed", func(t *testing.T, s *gem5bridge.Simulator, _ process.Stray, _ context.CancelCauseFunc) {
				require.NoError(t, s.Close())
			},
			[]error{os.ErrClosed}, "the plugin was closed", os.ErrClosed,
		},
	}
	for _, step := range steps {
		for _, event := range events {
			t.Run(event.name+" in "+step, func(t *testing.T) {
				t.Parallel()
				config := marked(t, bridgetest.Plugin("stays at "+step))
				config.StartTimeout = patience
				config.Silence = 8 * time.Second // longer than a heartbeat
				if event.name != "it stops" {
					config.Silence = patience
				}
				s, err := gem5bridge.Connect(t.Context(), config)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				plugin := leader(t, config)
				ended := reach(ctx, t, s, step)
				event.do(t, s, plugin, cancel)
				is := wait(t, ended)
				for _, want := range event.want {
					require.ErrorIs(t, is.err, want)
				}
				require.ErrorContains(t, is.err, event.says)
				requireStep(t, step, event.name, is.samples)
				if event.next != nil {
					_, err = s.Describe(t.Context(), gem5bridge.Setup{})
					require.ErrorIs(t, err, event.next, "and it stays so")
				}
			})
		}
	}
}

// requireStep checks that what had been sent at a step was received, and in order.
func requireStep(t *testing.T, step, event string, samples []servicetime.Sample) {
	t.Helper()
	most := map[string]int{inDescribe: 0, beforeTheSamples: 0, amongTheSamples: 2, afterTheSamples: 4}[step]
	require.LessOrEqual(t, len(samples), most)
	if event == "it stops" { // long after what it had sent
		require.Len(t, samples, most)
	}
	for i, sample := range samples {
		require.NoError(t, sample.Check())
		if i < 3 {
			require.Equal(t, i, sample.N)
		}
	}
}

// TestAPluginIsAskedByManyAtOnce describes, and counts on being told the same, while
// a job runs.
func TestAPluginIsAskedByManyAtOnce(t *testing.T) {
	t.Parallel()
	s := connect(t, bridgetest.Plugin("clockwork"))
	want, err := s.Describe(t.Context(), gem5bridge.Setup{})
	require.NoError(t, err)
	job := goodJob()
	job.Cells = job.Cells[:1]
	job.Cells[0].Count = 400
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				got, err := s.Describe(t.Context(), gem5bridge.Setup{})
				if err != nil || got.Stack != want.Stack {
					t.Error(got, err)
				}
			}
		})
	}
	samples, err := run(t.Context(), s, job)
	group.Wait()
	require.NoError(t, err)
	require.Len(t, samples, 400)
	for i, sample := range samples {
		require.Equal(t, i, sample.N)
	}
}

func TestClosingFromManySidesClosesOnce(t *testing.T) {
	t.Parallel()
	config := marked(t, bridgetest.Plugin("clockwork"))
	s, err := gem5bridge.Connect(t.Context(), config)
	require.NoError(t, err)
	plugin := leader(t, config)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, running := process.Look(plugin.PID); running {
				t.Error("whoever closes finds the plugin gone")
			}
		})
	}
	group.Wait()
	_, err = run(t.Context(), s, goodJob())
	require.ErrorIs(t, err, os.ErrClosed)
	require.True(t, strings.HasPrefix(err.Error(), "sample: "), fmt.Sprint(err))
}
