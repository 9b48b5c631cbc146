package driver_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/images/guest/job"
)

// model says, record by record, what a driver must do: which sandboxes are made, who is
// called, what fails. It knows neither time nor gRPC.
type model struct {
	job     job.Job
	fault   map[string]fault
	running map[string]bool
	next    map[job.Target]int // number of an interleaved call
	story   []string
	failed  int // steps
}

func (m *model) tell(ok bool, format string, args ...any) bool {
	word := "ok"
	if !ok {
		word = "failed"
	}
	m.story = append(m.story, fmt.Sprintf(format, args...)+" "+word)
	return ok
}

// launch makes a sandbox and reports whether it can be called.
func (m *model) launch(step int, f string) bool {
	fault := m.fault[f]
	if !m.tell(fault != cannotBeCreated, "%d create %s", step, f) {
		return false
	}
	return m.tell(fault != cannotStart && fault != diesAtStart, "%d init %s", step, f) && fault != tooFree
}

func (m *model) call(step int, t job.Target, phase job.Phase, n int) bool {
	fault := m.fault[t.Function]
	return m.tell(fault != answersWrongly && fault != dies, "%d %s %s %s %d", step, phase, t.Function, t.Input, n)
}

func (m *model) ensure(step int, f string) bool {
	if !m.running[f] {
		m.running[f] = m.launch(step, f)
	}
	return m.running[f]
}

func (m *model) interleave(step int, t job.Target) bool {
	if !m.ensure(step, t.Function) {
		return false
	}
	n := m.next[t]
	m.next[t]++
	m.running[t.Function] = m.call(step, t, job.Interleaved, n)
	return m.running[t.Function]
}

func (m *model) step(i int) bool {
	s := m.job.Steps[i]
	own := job.Target{Function: s.Function, Input: s.Input}
	if s.Mode == job.Cold {
		delete(m.running, s.Function)
		for n := range s.Count {
			if !m.launch(i, s.Function) || !m.call(i, own, job.Measured, s.First+n) {
				return false
			}
		}
		return true
	}
	if !m.ensure(i, s.Function) {
		return false
	}
	var others []job.Target
	for _, t := range s.Mix.Functions {
		if t.Function != s.Function {
			others = append(others, t)
		}
	}
	for _, t := range others {
		if !m.running[t.Function] && !m.interleave(i, t) {
			return false
		}
	}
	luck := rand.New(rand.NewPCG(m.job.Seed, uint64(i))) // recorded schedules hold for this stream
	for n := range s.Warmup + s.Count {
		phase := job.Warming
		if n >= s.Warmup {
			phase = job.Measured
			for range s.K {
				if !m.interleave(i, others[luck.IntN(len(others))]) {
					return false
				}
			}
		}
		if m.running[s.Function] = m.call(i, own, phase, s.First+n); !m.running[s.Function] {
			return false
		}
	}
	return true
}

// told is a record in the words of the model.
func told(r job.Record) string {
	switch r.Kind {
	case job.Call:
		return fmt.Sprintf("%d %s %s %s %d %s", r.Step, r.Phase, r.Function, r.Input, r.N, r.Status)
	default:
		return fmt.Sprintf("%d %s %s %s", r.Step, r.Kind, r.Function, r.Status)
	}
}

func drawSteps(t *rapid.T) []job.Step {
	names := []string{"fibonacci-go", "auth-go", "null"}
	input := map[string]string{"fibonacci-go": "vswarm", "auth-go": "unauthorized", "null": "default"}
	var steps []job.Step
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		s := job.Step{
			Mode: rapid.SampledFrom([]job.Mode{job.Cold, job.Warm, job.Lukewarm, job.Stressor}).Draw(t, "mode"), Function: rapid.SampledFrom(names).Draw(t, "function"),
			Count: rapid.IntRange(1, 3).Draw(t, "count"), First: rapid.IntRange(0, 5).Draw(t, "first"),
		}
		s.Input = input[s.Function]
		if s.Mode != job.Cold {
			s.Warmup, s.MarkWarmup = rapid.IntRange(0, 2).Draw(t, "warmup"), rapid.Bool().Draw(t, "mark")
		}
		switch s.Mode {
		case job.Lukewarm:
			s.Warmup, s.K = max(1, s.Warmup), rapid.IntRange(1, 3).Draw(t, "k")
			s.Mix.Name = "m"
			for _, name := range rapid.Permutation(names).Draw(t, "mix") {
				s.Mix.Functions = append(s.Mix.Functions, job.Target{Function: name, Input: input[name]})
			}
		case job.Stressor:
			s.Data = 64
		}
		steps = append(steps, s)
	}
	return steps
}

// TestADriverDoesWhatItsModelSays draws jobs and faults. The records are those of the
// model, in its order; work items enclose marked calls and nothing else; no sandbox is
// left behind.
func TestADriverDoesWhatItsModelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		faults := map[string]fault{}
		for _, name := range []string{"fibonacci-go", "auth-go", "null"} {
			faults[name] = rapid.SampledFrom([]fault{none, none, none, cannotBeCreated, cannotStart, diesAtStart, tooFree, answersWrongly, dies}).Draw(t, "fault of "+name)
		}
		l, r := &faulty{fault: faults}, &recorder{}
		d := r.driver(t, l)
		m := &model{fault: faults, running: map[string]bool{}, next: map[job.Target]int{}}
		for n := range rapid.IntRange(1, 2).Draw(t, "jobs") { // sandboxes outlive a job
			j := todo(drawSteps(t)...)
			j.ID, j.Seed = fmt.Sprint("job-", n), rapid.Uint64().Draw(t, "seed")
			j = read(t, j)
			m.job, m.story, m.failed = j, nil, 0
			for i := range j.Steps {
				if !m.step(i) {
					m.failed++
				}
			}
			r.list, r.events = nil, nil
			err := d.Run(context.Background(), j)
			require.Equal(t, m.failed > 0, err != nil)
			var story []string
			for _, record := range r.list[1 : len(r.list)-1] {
				story = append(story, told(record))
			}
			require.Equal(t, strings.Join(m.story, "\n"), strings.Join(story, "\n"))
			end := r.list[len(r.list)-1]
			require.Equal(t, job.End, end.Kind)
			require.Equal(t, len(r.list), end.Records)
			require.Equal(t, m.failed, strings.Count("\n"+end.Reason, "\nstep "), end.Reason)
			items(t, r, j)
		}
		require.NoError(t, d.Close(context.Background()))
		require.Zero(t, l.live, "sandboxes are left")
	})
}

// items checks work items: a begin and an end around each marked call, then its record.
func items(t *rapid.T, r *recorder, j job.Job) {
	var want []string
	for _, c := range r.calls() {
		marked := c.Phase == job.Measured || c.Phase == job.Warming && j.Steps[c.Step].MarkWarmup
		require.Equal(t, marked, c.Marked)
		if marked {
			want = append(want, fmt.Sprintf("begin %d %d", c.Phase, c.Seq), fmt.Sprintf("end %d %d", c.Phase, c.Seq))
		}
		want = append(want, fmt.Sprintf("record %d", c.Seq))
	}
	require.Equal(t, want, r.events)
}
