package driver_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/job"
)

func todo(steps ...job.Step) job.Job {
	return job.Job{Format: job.Format, ID: "test", Seed: 7, Then: job.Off, Steps: steps, Deadlines: job.Deadlines{
		Create: job.Duration(10 * time.Second), Ready: job.Duration(20 * time.Second), Call: job.Duration(10 * time.Second),
	}}
}

// whole checks that the records are what a reader takes for a whole stream.
func whole(t *testing.T, records []job.Record) {
	t.Helper()
	var text bytes.Buffer
	for _, r := range records {
		line, err := job.Line(r)
		require.NoError(t, err)
		text.Write(line)
	}
	got, err := job.ReadRecords(&text)
	require.NoError(t, err)
	require.Len(t, got, len(records))
}

func TestRealFunctionsInEveryMode(t *testing.T) {
	t.Parallel()
	h := installed(t)
	mix := job.Mix{Name: "pair", Functions: []job.Target{{Function: "aes-go"}, {Function: "auth-go"}, {Function: "fibonacci-go"}}}
	steps := []job.Step{
		{Mode: job.Cold, Function: "fibonacci-go", Count: 2},
		{Mode: job.Warm, Function: "fibonacci-go", Warmup: 2, Count: 3, First: 10},
		{Mode: job.Lukewarm, Function: "fibonacci-go", Warmup: 1, Count: 2, K: 3, Mix: mix},
		{Mode: job.Stressor, Function: "fibonacci-go", Count: 2, Code: 4096, Data: 128},
		{Mode: job.Idle, Function: "fibonacci-go", Count: 1, Pause: job.Duration(time.Millisecond)},
		{Mode: job.Null, Count: 1},
	}
	var r recorder
	require.NoError(t, r.run(t, h, todo(steps...)))
	whole(t, r.list)

	var story []string
	for _, record := range r.list {
		require.Equal(t, job.OK, record.Status)
		switch record.Kind {
		case job.Call:
			require.Positive(t, record.Nanos)
			if record.Function != "null" {
				require.Positive(t, record.Bytes)
			}
			require.Equal(t, []job.Core{{Core: 0, Micros: 1}, {Core: 1, Micros: 2}}, record.Cores)
			story = append(story, fmt.Sprint(record.Step, record.Phase, record.Function, record.N, record.Condition))
		case job.Create, job.Init:
			story = append(story, fmt.Sprint(record.Step, record.Condition, record.Function))
		}
	}
	tale := strings.Join(story, "\n")
	cold := "0stage:createfibonacci-go\n0stage:initfibonacci-go\n0 measuredfibonacci-go%dcold\n"
	require.True(t, strings.HasPrefix(tale, fmt.Sprintf(cold, 0)+fmt.Sprintf(cold, 1)+"1stage:create"), tale)
	require.Contains(t, tale, "1 warm-upfibonacci-go10\n1 warm-upfibonacci-go11\n1 measuredfibonacci-go12warm\n")
	require.Equal(t, [][2]int64{{4096, 128}, {4096, 128}}, r.walks)

	// Between two measured lukewarm calls are exactly k others of the mix.
	between, counts := 0, []int{}
	for _, c := range r.calls() {
		if c.Step != 2 {
			continue
		}
		switch c.Phase {
		case job.Measured:
			require.Equal(t, "lukewarm:3@pair", c.Condition)
			counts = append(counts, between)
			fallthrough
		case job.Warming:
			between = 0
			continue
		}
		require.Contains(t, []string{"aes-go", "auth-go"}, c.Function)
		require.False(t, c.Marked)
		between++
	}
	require.Equal(t, []int{3, 3}, counts)
}

func TestWorkItemsEncloseTheMeasuredCallsOnly(t *testing.T) {
	t.Parallel()
	var r recorder
	require.NoError(t, r.run(t, &faulty{}, todo(
		job.Step{Mode: job.Null, Warmup: 1, Count: 1},
		job.Step{Mode: job.Null, Warmup: 1, Count: 1, MarkWarmup: true},
	)))
	require.Equal(t, []string{
		"record 3", "begin 1 4", "end 1 4", "record 4", "begin 2 5", "end 2 5", "record 5", "begin 1 6", "end 1 6", "record 6",
	}, r.events)
	for _, c := range r.calls() {
		require.Equal(t, c.Seq != 3, c.Marked)
	}
}

func TestOneSeedIsOneScheduleAndAnotherIsAnother(t *testing.T) {
	t.Parallel()
	h := installed(t)
	mix := job.Mix{Name: "m", Functions: []job.Target{{Function: "aes-go"}, {Function: "auth-go"}, {Function: "null"}}}
	order := func(seed uint64) (names []string) {
		var r recorder
		j := todo(job.Step{Mode: job.Lukewarm, Function: "fibonacci-go", Warmup: 1, Count: 2, K: 12, Mix: mix})
		j.Seed = seed
		require.NoError(t, r.run(t, h, j))
		for _, c := range r.calls() {
			names = append(names, c.Function)
		}
		return names
	}
	first := order(1)
	require.Equal(t, first, order(1))
	require.NotEqual(t, first, order(2))
}

func TestDependenciesAreStartedFirst(t *testing.T) {
	t.Parallel()
	h := installed(t)
	names := []string{"chained-producer"}
	if _, err := exec.LookPath("redis-server"); err == nil {
		names = append(names, "geo")
	}
	for _, name := range names {
		var r recorder
		require.NoError(t, r.run(t, h, todo(
			job.Step{Mode: job.Warm, Function: name, Count: 2}, job.Step{Mode: job.Cold, Function: name, Count: 2},
		)), name)
		inits := map[string]int{}
		for _, record := range r.list {
			if record.Kind == job.Init {
				inits[record.Function]++
			}
		}
		require.Equal(t, 3, inits[name])
		require.Len(t, inits, 2, "the function and its dependency: %v", inits)
		require.True(t, strings.HasPrefix(r.list[1].Function, name+"/"), "the dependency comes first")
	}
}

func TestEveryFaultIsToldByNameReasonAndLastWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault fault
		want  []string
		words bool
	}{
		"cannot be created": {cannotBeCreated, []string{"create fibonacci-go: no layer jvm"}, false},
		"cannot start":      {cannotStart, []string{"init fibonacci-go: exec format error"}, true},
		"is never ready":    {neverListens, []string{"init fibonacci-go", "init not done after 2s"}, true},
		"dies at its start": {diesAtStart, []string{"it ended before it was ready"}, true},
		"answers wrongly":   {answersWrongly, []string{"fibonacci-go (default, call 0): ", "wrong reply"}, true},
		"hangs":             {hangs, []string{"fibonacci-go (default, call 0): no reply after 2s"}, true},
		"is too free":       {tooFree, []string{"fibonacci-go is not confined: CapEff is 400"}, false},
		"dies":              {dies, []string{"fibonacci-go (default, call 0): it died during the call"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []job.Mode{job.Warm, job.Cold} {
				l := &faulty{fault: map[string]fault{"fibonacci-go": c.fault}}
				j := todo(job.Step{Mode: mode, Function: "fibonacci-go", Count: 2}, job.Step{Mode: job.Null, Count: 1})
				j.Deadlines.Ready, j.Deadlines.Call = job.Duration(2*time.Second), job.Duration(2*time.Second)
				var r recorder
				err := r.run(t, l, j)
				whole(t, r.list)
				end := r.list[len(r.list)-1]
				require.Equal(t, job.Failed, end.Status)
				for _, want := range append(c.want, "step 0: fibonacci-go") {
					require.ErrorContains(t, err, want)
					require.Contains(t, end.Reason, want)
				}
				require.Equal(t, c.words, strings.Contains(end.Reason, "segmentation fault in f()"))
				failures := 0
				for _, record := range r.list[:len(r.list)-1] {
					if record.Status == job.Failed {
						failures++
					}
				}
				if c.fault != tooFree { // no stage and no call failed
					require.Equal(t, 1, failures, "told once, where it happened")
				}
				last := r.calls()[len(r.calls())-1]
				require.Equal(t, "null", last.Function, "the step after it is done")
				require.Equal(t, job.OK, last.Status)
				require.Equal(t, 1, l.live, "of the sandboxes the null function's is left")
			}
		})
	}
}

func TestAFaultOfAnInterleavedFunctionFailsTheStep(t *testing.T) {
	t.Parallel()
	var r recorder
	l := &faulty{fault: map[string]fault{"aes-go": answersWrongly}}
	err := r.run(t, l, todo(job.Step{
		Mode: job.Lukewarm, Function: "null", Warmup: 1, Count: 1, K: 1, Mix: job.Mix{Name: "m", Functions: []job.Target{{Function: "aes-go"}}},
	}))
	require.ErrorContains(t, err, "interleave aes-go")
	require.ErrorContains(t, err, "wrong reply")
	whole(t, r.list)
	for _, c := range r.calls() {
		require.NotEqual(t, job.Measured, c.Phase)
	}
}

// TestADependencyThatDiedIsMadeAnew: it fails the step that finds it dead, and no
// other.
func TestADependencyThatDiedIsMadeAnew(t *testing.T) {
	t.Parallel()
	var r recorder
	l := &faulty{fault: map[string]fault{"chained-producer": killsOthers}}
	step := job.Step{Mode: job.Warm, Function: "chained-producer", Count: 1}
	err := r.run(t, l, todo(step, step, step))
	whole(t, r.list)
	steps := strings.Split(err.Error(), "step ")
	require.Len(t, steps, 4)
	for i, want := range []string{"gone", "died; its last words", "gone"} {
		require.Contains(t, steps[i+1], want)
	}
	made := map[string]int{}
	for _, s := range l.made {
		made[s.Function.Name]++
	}
	require.Equal(t, map[string]int{"chained-consumer": 2, "chained-producer": 2}, made)
	require.Len(t, r.calls(), 2)
}

func TestUnknownNamesFailTheirStep(t *testing.T) {
	t.Parallel()
	var r recorder
	err := r.run(t, &faulty{}, todo(
		job.Step{Mode: job.Warm, Function: "fibonaci-go", Count: 1}, job.Step{Mode: job.Warm, Function: "fibonacci-go", Input: "huge", Count: 1},
		job.Step{Mode: job.Null, Count: 1},
	))
	require.ErrorContains(t, err, "step 0: fibonaci-go: unknown function")
	require.ErrorContains(t, err, "step 1: fibonacci-go: fibonacci-go: unknown input class")
	whole(t, r.list)
	require.Len(t, r.calls(), 1)
}

func TestRecordsThatCannotBeWrittenFailTheJob(t *testing.T) {
	t.Parallel()
	for full := 1; full <= 4; full++ {
		r := recorder{full: full}
		err := r.run(t, &faulty{}, todo(job.Step{Mode: job.Null, Count: 1}))
		require.ErrorContains(t, err, "disk full", "after %d records", full)
	}
}

func TestSpecsSayWhichCore(t *testing.T) {
	t.Parallel()
	l := &faulty{fault: map[string]fault{"chained-producer": answersWrongly}}
	var r recorder
	require.Error(t, r.run(t, l, todo(job.Step{Mode: job.Warm, Function: "chained-producer", Count: 1})))
	require.Len(t, l.made, 2)
	require.Equal(t, "chained-consumer", l.made[0].Function.Name)
	require.Equal(t, 0, l.made[0].Core, "a dependency stays off the measured core")
	require.Equal(t, 1, l.made[1].Core)
	require.Equal(t, "chained-producer", l.made[0].For, "who is called")
	require.Equal(t, "chained-producer", l.made[1].For)
	require.Len(t, l.made[1].Env, 1)
	require.True(t, strings.HasPrefix(l.made[1].Env[0], "CONSUMER_ADDR=127.0.0.1:"))
}
