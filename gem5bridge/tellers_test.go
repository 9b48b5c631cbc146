package gem5bridge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
)

// teller is Clockwork that says what it was told.
type teller struct{ bridgetest.Clockwork }

// Describe tells what reaches a plugin beside its setup.
func (teller) Describe(ctx context.Context, setup gem5bridge.Setup) (gem5bridge.Description, error) {
	_, hasDeadline := ctx.Deadline()
	return gem5bridge.Description{Backend: "teller", Notes: []string{
		os.Getenv(gem5bridge.RunVariable), os.Getenv("TOLD"), fmt.Sprint(hasDeadline), fmt.Sprintf("%q", setup),
	}}, nil
}

// Sample tells whether the job has a deadline.
func (teller) Sample(ctx context.Context, _ gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	if _, has := ctx.Deadline(); has {
		return errors.New("the job has a deadline")
	}
	return emit(gem5bridge.Event{Log: &gem5bridge.Log{Level: slog.LevelError, Message: "no deadline"}})
}

// grumbler refuses in its description and fails in a job, at length.
type grumbler struct{ bridgetest.Clockwork }

const (
	grumbles = 200
	atLength = 10 << 10 // as long as the last words of a process can be
)

func (grumbler) Describe(context.Context, gem5bridge.Setup) (gem5bridge.Description, error) {
	return gem5bridge.Description{}, errors.Join(gem5bridge.Mistake("setting %q: want none", "colour"), gem5bridge.Mistake("no image"))
}

func (grumbler) Sample(_ context.Context, job gem5bridge.Job, _ func(gem5bridge.Event) error) error {
	var all []error
	for n := range grumbles {
		all = append(all, &gem5bridge.Failure{
			Kind: gem5bridge.ErrFunctionDied, Function: fmt.Sprintf("f%d", n), Input: "default", Condition: job.Cells[0].Condition,
			Text: strings.Repeat("last words \xff", atLength/12),
		})
	}
	return errors.Join(all...)
}

// mumbler prints what is no text wherever text can be.
type mumbler struct{ bridgetest.Clockwork }

const mumble = "\x80\x81 mumble"

func (m mumbler) Sample(ctx context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	err := m.Clockwork.Sample(ctx, job, func(e gem5bridge.Event) error {
		if e.Sample != nil {
			e.Sample.Status, e.Sample.Reason = servicetime.Censored, mumble
		}
		return emit(e)
	})
	return errors.Join(err, &gem5bridge.Failure{Kind: gem5bridge.ErrFunctionDied, Function: "alpha", Text: mumble})
}

// tellers are the plugins of this file, for TestMain.
var tellers = map[string]func(){
	"tells":    func() { gem5bridge.Serve(teller{}) },
	"grumbles": func() { gem5bridge.Serve(grumbler{}) },
	"mumbles":  func() { gem5bridge.Serve(mumbler{}) },
}

// TestWhatReachesAPlugin: its own mark, the environment that was given, the setup as
// it is, and no deadline, which its clock might see otherwise.
func TestWhatReachesAPlugin(t *testing.T) {
	t.Parallel()
	setup := gem5bridge.Setup{
		Platform: "p", Overrides: map[string]string{"l2.size": "2MiB"}, Functions: "/with space/ü", WorkDir: "relative/dir", Settings: map[string]string{"gem5": "", "a": "b=c"},
	}
	marks := map[string]bool{}
	for _, plugin := range []string{"the first", "the second"} {
		t.Run(plugin, func(t *testing.T) {
			config := bridgetest.Plugin("tells")
			config.Env = append(config.Env, "TOLD=first", "TOLD=as given")
			s := connect(t, config)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			d, err := s.Describe(ctx, setup)
			require.NoError(t, err)
			require.Len(t, d.Notes, 4)
			require.GreaterOrEqual(t, len(d.Notes[0]), 16)
			marks[d.Notes[0]] = true
			require.Equal(t, []string{"as given", "false", fmt.Sprintf("%q", setup)}, d.Notes[1:])
			_, err = run(ctx, s, gem5bridge.Job{})
			require.NoError(t, err)
		})
	}
	require.Len(t, marks, 2, "every plugin has a mark of its own")
}

func TestADescriptionThatIsRefused(t *testing.T) {
	t.Parallel()
	_, err := connect(t, bridgetest.Plugin("grumbles")).Describe(t.Context(), gem5bridge.Setup{})
	require.EqualError(t, err, "describe plugin: invalid job: setting \"colour\": want none\ninvalid job: no image")
	require.ErrorIs(t, err, gem5bridge.ErrInvalidJob)
	require.Len(t, bridgetest.Leaves(err), 2)
}

// TestFailuresAtLength has more to say than fits into a header as most servers know
// them: every failure arrives, and whole.
func TestFailuresAtLength(t *testing.T) {
	t.Parallel()
	_, err := run(t.Context(), connect(t, bridgetest.Plugin("grumbles")), goodJob())
	require.ErrorIs(t, err, gem5bridge.ErrFunctionDied)
	leaves := bridgetest.Leaves(err)
	require.Len(t, leaves, grumbles)
	for n, leaf := range leaves {
		var failure *gem5bridge.Failure
		require.ErrorAs(t, leaf, &failure)
		require.Equal(t, fmt.Sprintf("f%d", n), failure.Function)
		require.Equal(t, strings.Repeat("last words \ufffd", atLength/12), failure.Text)
	}
}

// TestLastWordsThatAreNoText arrive with what they explain.
func TestLastWordsThatAreNoText(t *testing.T) {
	t.Parallel()
	samples, err := run(t.Context(), connect(t, bridgetest.Plugin("mumbles")), goodJob())
	require.ErrorIs(t, err, gem5bridge.ErrFunctionDied)
	require.ErrorContains(t, err, "alpha: function died: \ufffd mumble")
	require.Len(t, samples, 1)
	require.Equal(t, "\ufffd mumble", samples[0].Reason)
}
