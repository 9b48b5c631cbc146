package experiment_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// design has two combinations of levels, each of so many replications that ask
// whether to stop often enough.
const design = `
cluster:
  nodes: [{cores: 2}]
  scaling: {kind: fixed, sandboxes: 2}
  keep-alive: unlimited
workload:
  duration: 1000s
  functions:
    - {name: f, arrivals: {process: poisson, rate: 10/s}, service: {law: exponential, mean: 100ms, relative-penalty: 1}}
    - {name: g, arrivals: {process: poisson, rate: 2/s}, service: {law: lognormal, mean: 50ms, cv: 2}}
fidelity: {replications: %d}
factors:
  - {name: routing, set: cluster.load-balancing, levels: [first-available, random]}
`

func bytesOf(t *testing.T, r *experiment.Result) string {
	t.Helper()
	text, err := r.JSON()
	require.NoError(t, err)
	return string(text)
}

// It changes GOMAXPROCS and so is not parallel to others.
func TestResultIsTheSameForAnyParallelism(t *testing.T) {
	text := fmt.Sprintf(design, 6)
	var first string
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, processors := range []int{1, 3} {
		runtime.GOMAXPROCS(processors)
		for _, slots := range []int{0, 1, 8} {
			var steps atomic.Int64
			got := bytesOf(t, simulateWith(t, text, experiment.Options{Slots: slots, Step: func() { steps.Add(1) }}))
			require.EqualValues(t, experiment.Replications(parse(t, text)), steps.Load())
			if first == "" {
				first = got
			}
			require.Equal(t, first, got, "%d processors, %d slots", processors, slots)
		}
	}
	require.Equal(t, byte('\n'), first[len(first)-1])
}

func TestReplicationsOfADesign(t *testing.T) {
	t.Parallel()
	require.Equal(t, 14, experiment.Replications(parse(t, fmt.Sprintf(design, 7))))
	require.Equal(t, 3, experiment.Replications(parse(t, roomy)))
}

func TestSeedsOfReplicationsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[uint64]bool{}
	for seed := range uint64(100) {
		for replication := range 100 {
			seen[experiment.Seed(seed, replication)] = true
		}
	}
	require.Len(t, seen, 100*100)
}

// interruptAt runs one replication at a time and interrupts after so many.
func interruptAt(t *testing.T, text string, steps, slots int) (*experiment.Result, error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var done atomic.Int64
	return experiment.Simulate(ctx, parse(t, text), experiment.Options{Slots: slots, Step: func() {
		if done.Add(1) == int64(steps) {
			cancel(errEnough)
		}
	}})
}

var errEnough = errors.New("that is enough")

func TestInterruptedRunKeepsCompleteReplications(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ steps, complete int }{
		"between two replications":                                {4, 2},
		"when one level is a replication ahead of the other":      {5, 2},
		"when one level has its only replication, the other none": {1, 0},
	} {
		r, err := interruptAt(t, fmt.Sprintf(design, 6), c.steps, 1)
		var interrupted *experiment.InterruptedError
		require.ErrorAs(t, err, &interrupted, situation)
		require.ErrorIs(t, err, errEnough, situation)
		require.Equal(t, c.complete, interrupted.Done, situation)
		require.Equal(t, 6, interrupted.Of, situation)
		require.EqualError(t, err, fmt.Sprintf("%d of 6 replications done: that is enough", c.complete))
		if c.complete == 0 {
			require.Nil(t, r, situation)
			continue
		}
		require.Equal(t, c.complete, r.Replications, situation)
		require.Equal(t, "interrupted: 2 of 6 replications", r.Notes[len(r.Notes)-1])
		whole := simulateWith(t, fmt.Sprintf(design, c.complete), experiment.Options{})
		r.Scenario, r.Notes = whole.Scenario, whole.Notes
		require.Equal(t, bytesOf(t, whole), bytesOf(t, r), "%s: as if only these had been asked for", situation)
	}
}

// TestARunInterruptedAfterItsFirstReplicationIsKept: with the mean's interval from
// the run itself, and quantiles without one.
func TestARunInterruptedAfterItsFirstReplicationIsKept(t *testing.T) {
	t.Parallel()
	text := station(1, fixed(1), "{process: poisson, rate: 0.5/s}", "{law: exponential, mean: 1s}", "100000s")
	r, err := interruptAt(t, text, 1, 1)
	var interrupted *experiment.InterruptedError
	require.ErrorAs(t, err, &interrupted)
	require.Equal(t, 1, interrupted.Done)
	alone := simulate(t, text, scenario.Setting{Path: "fidelity.replications", Value: "1"})
	kept := metricOf(t, &r.Runs[0], "response_mean").Estimate
	require.Equal(t, metricOf(t, &alone.Runs[0], "response_mean").Estimate, kept)
	require.Equal(t, metrics.MethodBatchMeans, kept.Method)
	for _, q := range []string{"response_p50", "response_p99"} {
		e := metricOf(t, &r.Runs[0], q).Estimate
		require.Equal(t, metrics.StatusNotEstimable, e.Status, q)
		require.InEpsilon(t, metricOf(t, &alone.Runs[0], q).Estimate.Est, e.Est, .05, q)
	}
}

func TestInterruptedRunOfSeveralSlotsIsAPrefix(t *testing.T) {
	t.Parallel()
	var r *experiment.Result
	var interrupted *experiment.InterruptedError
	// Nine runs are done, but if a processor was busy elsewhere, the first ones are not
	// among them. A single replication would be estimated by other methods.
	for try := 0; try < 50 && (interrupted == nil || interrupted.Done < 2); try++ {
		var err error
		r, err = interruptAt(t, fmt.Sprintf(design, 40), 9, 3)
		require.ErrorAs(t, err, &interrupted)
	}
	require.GreaterOrEqual(t, interrupted.Done, 2)
	require.Less(t, interrupted.Done, 8)
	whole := simulateWith(t, fmt.Sprintf(design, interrupted.Done), experiment.Options{})
	r.Scenario, r.Notes = whole.Scenario, whole.Notes
	require.Equal(t, bytesOf(t, whole), bytesOf(t, r))
}

func TestAnInterruptAfterTheLastReplicationChangesNothing(t *testing.T) {
	t.Parallel()
	text := fmt.Sprintf(design, 3)
	r, err := interruptAt(t, text, 6, 1)
	require.NoError(t, err)
	require.Equal(t, bytesOf(t, simulateWith(t, text, experiment.Options{})), bytesOf(t, r))
}

func TestARunThatNeverBeganHasNoResult(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := experiment.Simulate(ctx, parse(t, roomy), experiment.Options{Open: func(context.Context, *scenario.Scenario) (experiment.Measured, error) {
		return nil, context.Canceled
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, r)
}

func TestResultIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for situation, text := range map[string]string{
		"two levels":                   fmt.Sprintf(design, 2),
		"a single replication":         fmt.Sprintf(design, 1),
		"unstable":                     load("nodes: [{cores: 2}]", "3/s", ""),
		"more than a thousand records": many(901),
	} {
		written := simulate(t, text)
		read, err := experiment.ParseResult([]byte(bytesOf(t, written)))
		require.NoError(t, err, situation)
		require.Equal(t, bytesOf(t, written), bytesOf(t, read), situation)
	}
}

func TestCurvesEndAtOne(t *testing.T) {
	t.Parallel()
	r := simulate(t, fmt.Sprintf(design, 2))
	for _, run := range r.Runs {
		require.Len(t, run.Curves, 3)
		for _, c := range run.Curves {
			require.LessOrEqual(t, len(c.Points), 301)
			last := experiment.Point{X: math.Inf(-1)}
			for _, p := range c.Points {
				require.Greater(t, p.X, last.X, c.Name)
				require.GreaterOrEqual(t, p.P, last.P, c.Name)
				last = p
			}
			require.InDelta(t, 1, last.P, 1e-12, c.Name)
		}
		require.InDelta(t, 2000, run.Timeline.Width*float64(len(run.Timeline.InSystem)), 1001)
		require.Equal(t, 2, run.Timeline.Cores)
	}
}

func TestParseResultRefuses(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ text, wanted string }{
		"nothing":                    {"", "not a result"},
		"text":                       {"cluster: {}", "not a result"},
		"half a result":              {`{"schema": "microcosm.result/1", "runs": [`, "not a result"},
		"another kind of JSON":       {`{}`, `schema ""`},
		"a later version":            {`{"schema": "microcosm.result/2"}`, "run the scenario again"},
		"a word where a number goes": {`{"schema": "microcosm.result/1", "seed": "one"}`, "not a result"},
		"two results":                {`{"schema": "microcosm.result/1"} {"schema": "microcosm.result/1"}`, "not a result"},
		"a status that there is not": {`{"schema": "microcosm.result/1", "effects": [{"estimate": {"status": "fine"}}]}`, "not a result"},
	} {
		r, err := experiment.ParseResult([]byte(c.text))
		require.ErrorContains(t, err, c.wanted, situation)
		require.Nil(t, r, situation)
	}
}

func TestFindOfAMetricThatThereIsNot(t *testing.T) {
	t.Parallel()
	_, ok := new(experiment.Run).Find("response_mean")
	require.False(t, ok)
}

// Whatever the design, requests are conserved, all levels meet the same ones,
// and parts add up to the whole.
func TestAnyDesignIsConsistent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := fmt.Sprintf(`
seed: %d
cluster:
  nodes: [{cores: %d, count: %d}]
  keep-alive: %s
  queue-limit: %s
  concurrency: %d
workload:
  duration: 20s
  functions:
    - {name: f, copies: %d, arrivals: {process: poisson, rate: %d/s}, service: {law: exponential, mean: 100ms, relative-penalty: 1}}
fidelity: {replications: %d}
factors:
  - {name: routing, set: cluster.load-balancing, levels: [first-available, random, round-robin]}
`, rapid.Uint64Range(0, 1<<40).Draw(t, "seed"), rapid.IntRange(1, 3).Draw(t, "cores"), rapid.IntRange(1, 3).Draw(t, "nodes"),
			rapid.SampledFrom([]string{"0s", "1s", "unlimited"}).Draw(t, "keep-alive"), rapid.SampledFrom([]string{"0", "2", "unlimited"}).Draw(t, "queue-limit"),
			rapid.IntRange(1, 3).Draw(t, "concurrency"), rapid.IntRange(1, 4).Draw(t, "copies"), rapid.IntRange(1, 9).Draw(t, "rate"), rapid.IntRange(1, 3).Draw(t, "replications"))
		s, err := scenario.Parse("drawn.yaml", []byte(text))
		if err != nil {
			t.Skip(err)
		}
		r, err := experiment.Simulate(context.Background(), s, experiment.Options{})
		require.NoError(t, err)
		require.Len(t, r.Runs, 3)
		for _, run := range r.Runs {
			require.NoError(t, run.Account.Balance())
			require.Equal(t, r.Runs[0].Account.Arrived, run.Account.Arrived)
			for _, list := range [][]experiment.Marginal{run.Functions, run.Nodes, run.Conditions} {
				var share float64
				var recorded int64
				for _, m := range list {
					share += m.Share.Est
					recorded += m.Invocations
				}
				require.Equal(t, sum(run.Functions), recorded)
				if recorded > 0 {
					require.InDelta(t, 1, share, 1e-9)
				}
			}
		}
	})
}

func sum(list []experiment.Marginal) (n int64) {
	for _, m := range list {
		n += m.Invocations
	}
	return n
}

func FuzzParseResult(f *testing.F) {
	f.Add([]byte(`{"schema": "microcosm.result/1"}`))
	f.Add([]byte(`{"schema": "microcosm.result/1", "name": "\ud800", "runs": [{"metrics": [{"name": "x", "estimate": {"est": 1e308, "lo": null, "status": "ok"}}], "curves": [{"points": [{"x": 1, "p": -0}]}]}]}`))
	f.Add([]byte(strings.Repeat("[", 100)))
	s, err := scenario.Parse("seed.yaml", []byte(strings.Replace(roomy, "{name: fibonacci-go, ", "{name: f, service: {law: exponential, mean: 10ms}, ", 1)))
	if err != nil {
		f.Fatal(err)
	}
	r, err := experiment.Simulate(context.Background(), s, experiment.Options{})
	if err != nil {
		f.Fatal(err)
	}
	r.Runs[0].Curves, r.Runs[0].Timeline = nil, experiment.Timeline{}
	text, err := r.JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := experiment.ParseResult(text)
		if err != nil {
			return
		}
		written, err := r.JSON()
		require.NoError(t, err)
		again, err := experiment.ParseResult(written)
		require.NoError(t, err)
		twice, err := again.JSON()
		require.NoError(t, err)
		require.Equal(t, string(written), string(twice))
	})
}
