package job_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/images/guest/job"
)

// draw draws a job without a mistake: every mode, every field at the ends of its range.
func draw(t *rapid.T) job.Job {
	name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,12}`)
	duration := rapid.Int64Range(1, int64(time.Hour))
	j := job.Job{
		Format: job.Format, ID: name.Draw(t, "id"), Seed: rapid.Uint64().Draw(t, "seed"),
		Then: rapid.SampledFrom([]job.Then{job.Off, job.Checkpoint}).Draw(t, "then"),
	}
	if rapid.Bool().Draw(t, "deadlines") {
		j.Deadlines.Create, j.Deadlines.Call = job.Duration(duration.Draw(t, "create")), job.Duration(duration.Draw(t, "call"))
	}
	for range rapid.IntRange(1, 5).Draw(t, "steps") {
		s := job.Step{
			Mode: rapid.SampledFrom([]job.Mode{job.Cold, job.Warm, job.Lukewarm, job.Stressor, job.Idle, job.Null}).Draw(t, "mode"), Function: name.Draw(t, "function"),
			Count: rapid.IntRange(10, 1_000_000).Draw(t, "count"), First: rapid.IntRange(0, 1_000_000).Draw(t, "first"),
			Input: rapid.SampledFrom([]string{"", "default", "vswarm"}).Draw(t, "input"), MarkWarmup: rapid.Bool().Draw(t, "mark"),
		}
		if s.Mode != job.Cold {
			s.Warmup = rapid.IntRange(1, 1_000_000).Draw(t, "warmup")
		}
		switch s.Mode {
		case job.Lukewarm:
			s.K = rapid.IntRange(1, 1_000_000).Draw(t, "k")
			s.Mix = job.Mix{Name: name.Draw(t, "mix"), Functions: []job.Target{{Function: s.Function + "-2"}, {Function: s.Function, Input: "big"}}}
		case job.Stressor:
			s.Code, s.Data = rapid.Int64Range(0, 1<<30).Draw(t, "code"), rapid.Int64Range(1, 1<<30).Draw(t, "data")
		case job.Idle:
			s.Pause = job.Duration(duration.Draw(t, "pause"))
		case job.Null:
			s.Function = rapid.SampledFrom([]string{"", servicetime.NullFunction}).Draw(t, "null")
		}
		j.Steps = append(j.Steps, s)
	}
	return j
}

// completed is what a reader makes of a job that leaves things out.
func completed(j job.Job) job.Job {
	or := func(at *job.Duration, usual time.Duration) {
		if *at == 0 {
			*at = job.Duration(usual)
		}
	}
	or(&j.Deadlines.Create, 30*time.Second)
	or(&j.Deadlines.Ready, 2*time.Minute)
	or(&j.Deadlines.Call, 30*time.Second)
	j.Steps = slices.Clone(j.Steps)
	for i := range j.Steps {
		s := &j.Steps[i]
		if s.Function == "" {
			s.Function = "null"
		}
		if s.Input == "" {
			s.Input = "default"
		}
		s.Mix.Functions = slices.Clone(s.Mix.Functions)
		for k := range s.Mix.Functions {
			if s.Mix.Functions[k].Input == "" {
				s.Mix.Functions[k].Input = "default"
			}
		}
	}
	return j
}

func TestAJobThatIsWrittenIsReadAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := draw(t)
		text, err := job.Marshal(j)
		require.NoError(t, err)
		padding := strings.Repeat(rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "padding"), 512)
		got, err := job.Parse([]byte(padding + string(text) + padding))
		require.NoError(t, err, "%s", text)
		require.Equal(t, completed(j), got)
		again, err := job.Marshal(got)
		require.NoError(t, err)
		twice, err := job.Parse(again)
		require.NoError(t, err)
		require.Equal(t, got, twice, "what is complete stays as it is")
	})
}

// spoil are ways to make a step wrong, each with what its reader must say.
var spoil = []struct {
	modes []job.Mode // empty: in every mode
	do    func(*job.Step)
	says  string
}{
	{nil, func(s *job.Step) { s.Input = "a b" }, `input: "a b" is no name`},
	{nil, func(s *job.Step) { s.Count = 1_000_001 }, "count: want 0 to 1000000, got 1000001"},
	{nil, func(s *job.Step) { s.First = -1 }, "first: want 0 to 1000000, got -1"},
	{[]job.Mode{job.Warm, job.Idle, job.Stressor}, func(s *job.Step) { s.Function = "" }, `function: "" is no name`},
	{[]job.Mode{job.Warm, job.Idle, job.Stressor, job.Null}, func(s *job.Step) { s.Warmup = -7 }, "warmup: want 0 to 1000000, got -7"},
	{[]job.Mode{job.Cold}, func(s *job.Step) { s.Warmup = 1 }, "warmup: a cold call has none"},
	{[]job.Mode{job.Cold, job.Warm, job.Stressor, job.Idle, job.Null}, func(s *job.Step) { s.K = 3 }, "k: lukewarm wants 1 to 1000000, the other modes none"},
	{[]job.Mode{job.Cold, job.Warm, job.Stressor, job.Idle, job.Null}, func(s *job.Step) { s.Mix.Name = "m" }, "mix.name: lukewarm wants a name, the other modes none"},
	{[]job.Mode{job.Lukewarm}, func(s *job.Step) { s.K = 0 }, "k: lukewarm wants 1 to 1000000, the other modes none"},
	{[]job.Mode{job.Lukewarm}, func(s *job.Step) { s.Mix.Name = "../m" }, "mix.name: lukewarm wants a name, the other modes none"},
	{[]job.Mode{job.Lukewarm}, func(s *job.Step) { s.Mix.Functions[1].Input = "?" }, `mix.functions[1].input: "?" is no name`},
	{[]job.Mode{job.Cold, job.Warm, job.Lukewarm, job.Null}, func(s *job.Step) { s.Pause = 5 }, "pause: idle wants one, the other modes none"},
	{[]job.Mode{job.Idle}, func(s *job.Step) { s.Pause = -5 }, "pause: idle wants one, the other modes none"},
	{[]job.Mode{job.Cold, job.Warm, job.Lukewarm, job.Idle, job.Null}, func(s *job.Step) { s.Code = 64 }, "code, data: stressor wants bytes, the other modes none"},
	{[]job.Mode{job.Stressor}, func(s *job.Step) { s.Data = 1<<30 + 1 }, "code, data: want 0 to 1073741824 bytes"},
}

// TestEveryMistakeOfEveryStepIsNamedOnce spoils any number of steps in any number of
// ways: each way is one line of the error, and there is no other.
func TestEveryMistakeOfEveryStepIsNamedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := draw(t)
		var want []string
		for i := range j.Steps {
			s := &j.Steps[i]
			s.Mix.Functions = slices.Clone(s.Mix.Functions)
			touched := map[string]bool{} // two ways of spoiling one field are one mistake
			mode := s.Mode
			for n := range rapid.IntRange(0, 4).Draw(t, "mistakes") {
				way := rapid.SampledFrom(spoil).Draw(t, fmt.Sprint("mistake ", n))
				field, _, _ := strings.Cut(way.says, ":")
				if touched[field] || len(way.modes) > 0 && !slices.Contains(way.modes, mode) {
					continue
				}
				touched[field] = true
				way.do(s)
				want = append(want, fmt.Sprintf("steps[%d]: %s", i, way.says))
			}
		}
		err := j.Check()
		if len(want) == 0 {
			require.NoError(t, err)
			return
		}
		require.Error(t, err)
		require.ElementsMatch(t, want, strings.Split(err.Error(), "\n"))
		_, err = job.Marshal(j)
		require.ErrorContains(t, err, "write the job: "+"steps[", "what cannot be read is not written")
	})
}

func TestTheEndsOfEveryRange(t *testing.T) {
	t.Parallel()
	base := func(change func(*job.Job)) job.Job {
		j := job.Job{Format: 1, ID: "x", Then: job.Off, Steps: []job.Step{{Mode: job.Warm, Function: "geo", Count: 1}}}
		change(&j)
		return j
	}
	for name, c := range map[string]struct {
		change func(*job.Job)
		err    string
	}{
		"the largest seed":           {func(j *job.Job) { j.Seed = math.MaxUint64 }, ""},
		"a name of 100":              {func(j *job.Job) { j.ID = strings.Repeat("a", 100) }, ""},
		"a name of 101":              {func(j *job.Job) { j.ID = strings.Repeat("a", 101) }, "is no name: letters, digits, . _ -, at most 100"},
		"a name that begins with .":  {func(j *job.Job) { j.ID = ".x" }, `id: ".x" is no name`},
		"a name of two lines":        {func(j *job.Job) { j.ID = "x\n" }, `id: "x\n" is no name`},
		"a thousand steps":           {func(j *job.Job) { j.Steps = slices.Repeat(j.Steps, 1000) }, ""},
		"a thousand and one":         {func(j *job.Job) { j.Steps = slices.Repeat(j.Steps, 1001) }, "steps: want 1 to 1000, got 1001"},
		"warm-up only":               {func(j *job.Job) { j.Steps[0].Count, j.Steps[0].Warmup = 0, 1 }, ""},
		"neither":                    {func(j *job.Job) { j.Steps[0].Count = 0 }, "steps[0]: count: nothing is called: give count or warmup"},
		"the most calls":             {func(j *job.Job) { j.Steps[0].Count, j.Steps[0].First, j.Steps[0].Warmup = 1e6, 1e6, 1e6 }, ""},
		"a negative number of calls": {func(j *job.Job) { j.Steps[0].Count, j.Steps[0].Warmup = -1, 2 }, "count: want 0 to 1000000, got -1"},
		"the format before":          {func(j *job.Job) { j.Format = 0 }, "format: want 1, got 0"},
		"a negative deadline":        {func(j *job.Job) { j.Deadlines.Ready = -1 }, "deadlines: none may be negative"},
		"a mode beyond the last":     {func(j *job.Job) { j.Steps[0].Mode = job.Null + 1 }, "mode: want one of cold, warm, lukewarm, stressor, idle, null"},
		"nothing after the job":      {func(j *job.Job) { j.Then = job.ThenInvalid }, "then: want off or checkpoint"},
	} {
		j := base(c.change)
		if c.err == "" {
			require.NoError(t, j.Check(), name)
		} else {
			require.ErrorContains(t, j.Check(), c.err, name)
		}
	}
}

func TestAJobAsLongAsItMayBe(t *testing.T) {
	t.Parallel()
	text := `{"format":1,"id":"x","seed":1,"then":"off","steps":[{"mode":"null","count":1}]}`
	_, err := job.Parse([]byte(text + strings.Repeat(" ", job.MaxBytes-len(text))))
	require.NoError(t, err)
	_, err = job.Parse([]byte(text + strings.Repeat(" ", job.MaxBytes-len(text)+1)))
	require.EqualError(t, err, "read the job: longer than 1048576 bytes")
	for n := range len(text) {
		_, err := job.Parse([]byte(text[:n]))
		require.ErrorContains(t, err, "read the job: no JSON", "cut after %d bytes", n)
	}
}

func TestWordsGoThereAndBackAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	for what, words := range map[string]struct {
		words []string
		round func(i int) (text string, back int, err error)
		read  func(text string) error
	}{
		"mode": {[]string{"cold", "warm", "lukewarm", "stressor", "idle", "null"}, func(i int) (string, int, error) {
			var back job.Mode
			text, err := job.Mode(i).MarshalText()
			_ = back.UnmarshalText(text)
			return string(text), int(back), err
		}, func(text string) error { return new(job.Mode).UnmarshalText([]byte(text)) }},
		"then": {[]string{"off", "checkpoint"}, func(i int) (string, int, error) {
			var back job.Then
			text, err := job.Then(i).MarshalText()
			_ = back.UnmarshalText(text)
			return string(text), int(back), err
		}, func(text string) error { return new(job.Then).UnmarshalText([]byte(text)) }},
		"kind": {[]string{"start", "create", "init", "call", "end"}, func(i int) (string, int, error) {
			var back job.Kind
			text, err := job.Kind(i).MarshalText()
			_ = back.UnmarshalText(text)
			return string(text), int(back), err
		}, func(text string) error { return new(job.Kind).UnmarshalText([]byte(text)) }},
		"phase": {[]string{"measured", "warm-up", "interleaved"}, func(i int) (string, int, error) {
			var back job.Phase
			text, err := job.Phase(i).MarshalText()
			_ = back.UnmarshalText(text)
			return string(text), int(back), err
		}, func(text string) error { return new(job.Phase).UnmarshalText([]byte(text)) }},
		"status": {[]string{"ok", "failed"}, func(i int) (string, int, error) {
			var back job.Status
			text, err := job.Status(i).MarshalText()
			_ = back.UnmarshalText(text)
			return string(text), int(back), err
		}, func(text string) error { return new(job.Status).UnmarshalText([]byte(text)) }},
	} {
		for n, word := range words.words {
			text, back, err := words.round(n + 1)
			require.NoError(t, err, what)
			require.Equal(t, word, text, what)
			require.Equal(t, n+1, back, what)
		}
		for _, i := range []int{-1, 0, len(words.words) + 1} {
			_, _, err := words.round(i)
			require.EqualError(t, err, fmt.Sprintf("%d is none of %s", i, strings.Join(words.words, ", ")), what)
		}
		for _, text := range []string{"", "invalid", strings.ToUpper(words.words[0]), words.words[0] + " "} {
			require.EqualError(t, words.read(text), fmt.Sprintf("%q is none of %s", text, strings.Join(words.words, ", ")), what)
		}
	}
	require.Equal(t, "invalid (9)", job.Mode(9).String())
	require.Equal(t, "invalid (-1)", job.Phase(-1).String())
	require.Equal(t, 1, int(job.Measured), "it is the id of a measured call's work item")
	require.Equal(t, 2, int(job.Warming))
}
