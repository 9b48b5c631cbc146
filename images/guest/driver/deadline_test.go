package driver_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/job"
)

func TestASandboxThatIsNeverCreatedFailsByItsDeadline(t *testing.T) {
	t.Parallel()
	var r recorder
	j := todo(job.Step{Mode: job.Warm, Function: "fibonacci-go", Count: 1}, job.Step{Mode: job.Null, Count: 1})
	j.Deadlines.Create = job.Duration(300 * time.Millisecond) // the null function takes none
	l := &faulty{fault: map[string]fault{"fibonacci-go": createHangs}}
	err := r.run(t, l, j)
	require.EqualError(t, err, "step 0: fibonacci-go: create fibonacci-go: create not done after 300ms")
	require.Equal(t, "create fibonacci-go: create not done after 300ms", r.list[1].Reason)
	require.Positive(t, r.list[1].Nanos, "what it took is told all the same")
	whole(t, r.list)
	require.Len(t, r.calls(), 1, "the step after it is done")
}

// clumsy walks and reads meters with faults.
type clumsy struct {
	*recorder
	walk  func(context.Context) error
	blind int // readings of the meter after which there are none
}

func (c *clumsy) Walk(ctx context.Context, _, _ int64) error { return c.walk(ctx) }

func (c *clumsy) Cores() ([]job.Core, error) {
	if c.blind--; c.blind < 0 {
		return nil, errors.New("/proc/stat does not tell of core 1")
	}
	return c.recorder.Cores()
}

func TestAWalkThatFailsOrHangsFailsItsStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		walk func(context.Context) error
		want string
	}{
		"it fails": {func(context.Context) error { return errors.New("no memory") }, "step 0: fibonacci-go: walk 64 bytes of code and 128 of data: no memory"},
		"it hangs": {func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, "step 0: fibonacci-go: walk 64 bytes of code and 128 of data: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r recorder
			d := r.driver(t, &faulty{})
			d.Walker = &clumsy{recorder: &r, walk: c.walk}
			j := todo(job.Step{Mode: job.Stressor, Function: "fibonacci-go", Warmup: 1, Count: 2, Code: 64, Data: 128}, job.Step{Mode: job.Warm, Function: "fibonacci-go", Count: 1})
			j.Deadlines.Call = job.Duration(4 * time.Second)
			require.EqualError(t, d.Run(context.Background(), read(t, j)), c.want)
			whole(t, r.list)
			calls := r.calls()
			require.Len(t, calls, 2, "the warm-up, and the call of the next step")
			require.Equal(t, job.Warming, calls[0].Phase)
			require.Equal(t, 1, calls[1].Step)
			require.NoError(t, d.Close(context.Background()))
		})
	}
}

// TestAMeterThatCannotBeReadFailsWhatItWouldHaveMeasured: no number is made up.
func TestAMeterThatCannotBeReadFailsWhatItWouldHaveMeasured(t *testing.T) {
	t.Parallel()
	for readings, want := range []string{
		"create fibonacci-go: read how much", "create fibonacci-go: read how much", "init fibonacci-go: read how much", "init fibonacci-go: read how much",
		"fibonacci-go (default, call 0): read how much", "fibonacci-go (default, call 0): read how much", "fibonacci-go (default, call 1): read how much",
	} {
		var r recorder
		l := &faulty{}
		d := r.driver(t, l)
		d.Meter = &clumsy{recorder: &r, blind: readings}
		err := d.Run(context.Background(), read(t, todo(job.Step{Mode: job.Warm, Function: "fibonacci-go", Count: 2})))
		require.ErrorContains(t, err, want, "after %d readings", readings)
		require.ErrorContains(t, err, "the cores worked: /proc/stat does not tell of core 1")
		whole(t, r.list)
		for _, record := range r.list[1 : len(r.list)-1] {
			require.Equal(t, record.Status == job.OK, record.Cores != nil)
		}
		require.NoError(t, d.Close(context.Background()))
		require.Zero(t, l.live, "after %d readings", readings)
	}
}

func TestWhatCannotBeRemovedIsTold(t *testing.T) {
	t.Parallel()
	var r recorder
	l := &faulty{fault: map[string]fault{"fibonacci-go": stays}}
	d := r.driver(t, l)
	err := d.Run(context.Background(), read(t, todo(job.Step{Mode: job.Cold, Function: "fibonacci-go", Count: 3})))
	require.EqualError(t, err, "step 0: fibonacci-go: remove fibonacci-go: device or resource busy")
	require.Len(t, r.calls(), 1, "the next sandbox would not be alone")
	require.Equal(t, job.OK, r.calls()[0].Status, "the call itself was right")

	require.NoError(t, d.Run(context.Background(), read(t, todo(job.Step{Mode: job.Warm, Function: "fibonacci-go", Count: 1}, job.Step{Mode: job.Null, Count: 1}))))
	require.EqualError(t, d.Close(context.Background()), "remove fibonacci-go: device or resource busy")
	require.Zero(t, l.live, "the others are removed all the same")
	require.NoError(t, d.Close(context.Background()), "there is nothing left")
}

// TestAJobEndsWithItsContext: in whatever the agent waits, the cause is told and no
// further step is begun.
func TestAJobEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault fault
		step  job.Step
		want  string
	}{
		"while it creates":                          {createHangs, job.Step{Mode: job.Warm, Function: "fibonacci-go", Count: 1}, "create fibonacci-go: the user left"},
		"while it waits for a function to be ready": {neverListens, job.Step{Mode: job.Cold, Function: "fibonacci-go", Count: 1}, "the user left; its last words:\nsegmentation fault"},
		"while it calls":                            {hangs, job.Step{Mode: job.Warm, Function: "fibonacci-go", Count: 1}, "fibonacci-go (default, call 0): the user left"},
		"while it pauses":                           {none, job.Step{Mode: job.Idle, Function: "fibonacci-go", Count: 1, Pause: job.Duration(time.Hour)}, "step 0: fibonacci-go: the user left"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r recorder
			l := &faulty{fault: map[string]fault{"fibonacci-go": c.fault}}
			d := r.driver(t, l)
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			l.hung = func() { cancel(errors.New("the user left")) }
			d.Write = func(record job.Record) error {
				if record.Kind == job.Init && c.step.Mode == job.Idle { // the pause is next
					l.hung()
				}
				return r.write(record)
			}
			err := d.Run(ctx, read(t, todo(c.step, job.Step{Mode: job.Null, Count: 1}, job.Step{Mode: job.Null, Count: 1})))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "step 1", "no further step is begun")
			require.True(t, strings.HasSuffix(err.Error(), "\nthe user left"))
			whole(t, r.list)
			require.Equal(t, job.Failed, r.list[len(r.list)-1].Status)
			require.NoError(t, d.Close(ctx), "a context that has ended keeps nothing from being removed")
			require.Zero(t, l.live)
		})
	}
}

// TestSandboxesOutliveAJob: that is what a warm checkpoint holds.
func TestSandboxesOutliveAJob(t *testing.T) {
	t.Parallel()
	var r recorder
	l := &faulty{}
	d := r.driver(t, l)
	warm := job.Step{Mode: job.Warm, Function: "fibonacci-go", Count: 1}
	mix := job.Mix{Name: "m", Functions: []job.Target{{Function: "null"}}}
	require.NoError(t, d.Run(context.Background(), read(t, todo(warm, job.Step{Mode: job.Lukewarm, Function: "fibonacci-go", Warmup: 1, Count: 1, K: 2, Mix: mix}))))
	r.list = nil
	second := todo(job.Step{Mode: job.Lukewarm, Function: "fibonacci-go", Warmup: 1, Count: 1, K: 2, Mix: mix})
	second.ID = "second"
	require.NoError(t, d.Run(context.Background(), read(t, second)))
	whole(t, r.list)
	require.Equal(t, 0, r.list[0].Seq)
	require.Equal(t, "second", r.list[0].Job)
	require.Equal(t, "test", r.list[0].Machine)
	var story []string
	for _, record := range r.list[1 : len(r.list)-1] {
		story = append(story, told(record))
	}
	require.Equal(t, []string{
		"0 warm-up fibonacci-go default 0 ok", "0 interleaved null default 3 ok", "0 interleaved null default 4 ok", "0 measured fibonacci-go default 1 ok",
	}, story, "nothing is made anew, and who interleaves goes on with its next input")
	require.NoError(t, d.Close(context.Background()))
	require.Zero(t, l.live)
}
