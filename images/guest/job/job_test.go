package job_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/job"
)

const whole = `{"format":1,"id":"run-1","seed":18446744073709551615,"then":"off","deadlines":{"call":"5s"},"steps":[
 {"mode":"cold","function":"aes-go","count":2},
 {"mode":"warm","function":"aes-go","input":"vswarm","warmup":5,"markWarmup":true,"count":3,"first":7},
 {"mode":"lukewarm","function":"aes-go","count":1,"warmup":1,"k":4,"mix":{"name":"catalog","functions":[{"function":"geo"},{"function":"aes-go"}]}},
 {"mode":"stressor","function":"aes-go","count":1,"code":4096,"data":8192},
 {"mode":"idle","function":"aes-go","count":1,"pause":"2ms"},
 {"mode":"null","count":9}]}   `

func TestParse(t *testing.T) {
	t.Parallel()
	j, err := job.Parse([]byte(whole))
	require.NoError(t, err)
	require.Equal(t, uint64(18446744073709551615), j.Seed)
	require.Equal(t, job.Deadlines{job.Duration(job.DefaultCreate), job.Duration(job.DefaultReady), job.Duration(5e9)}, j.Deadlines)
	var words []string
	for i := range j.Steps {
		words = append(words, j.Steps[i].Condition().String())
	}
	require.Equal(t, []string{"cold", "warm", "lukewarm:4", "stressor:12288", "warm", "warm"}, words)
	require.Equal(t, "default", j.Steps[0].Input)
	require.Equal(t, "vswarm", j.Steps[1].Input)
	require.Equal(t, "default", j.Steps[2].Mix.Functions[0].Input)
	require.Equal(t, "null", j.Steps[5].Function)

	text, err := job.Marshal(j)
	require.NoError(t, err)
	again, err := job.Parse(text)
	require.NoError(t, err)
	require.Equal(t, j, again)
}

func TestParseReportsEveryMistake(t *testing.T) {
	t.Parallel()
	step := func(members string) string {
		return `{"format":1,"id":"x","seed":1,"then":"off","steps":[{"function":"aes-go",` + members + `}]}`
	}
	for name, c := range map[string]struct {
		text string
		errs []string
	}{
		"not a job":             {`[]`, []string{"want an object"}},
		"cut off":               {whole[:200], []string{"no JSON"}},
		"unknown words":         {step(`"mode":"hot","cuont":1`), []string{`steps[0].mode: "hot" is none of cold, warm`, `unknown field "cuont"`}},
		"nothing given":         {`{}`, []string{"format: want 1, got 0", "id:", "steps: want 1 to 1000, got 0", "then:"}},
		"another format":        {strings.Replace(whole, `"format":1`, `"format":2`, 1), []string{"format: want 1, got 2"}},
		"negative deadline":     {strings.Replace(whole, "5s", "-5s", 1), []string{"deadlines: none may be negative"}},
		"no duration":           {strings.Replace(whole, `"5s"`, `"5"`, 1), []string{`deadlines.call: "5" is no duration`}},
		"no mode, no count":     {step(`"input":"default"`), []string{"steps[0]: mode:", "steps[0]: count: nothing is called"}},
		"cold with warm-up":     {step(`"mode":"cold","count":1,"warmup":1`), []string{"a cold call has none"}},
		"too many":              {step(`"mode":"warm","count":1000001`), []string{"count: want 0 to 1000000"}},
		"lukewarm without k":    {step(`"mode":"lukewarm","count":1`), []string{"k: lukewarm wants", "mix.name", "mix.functions", "warmup: lukewarm wants 1"}},
		"lukewarm by itself":    {step(`"mode":"lukewarm","count":1,"k":1,"mix":{"name":"m","functions":[{"function":"aes-go"}]}`), []string{"none is another function"}},
		"warm with k":           {step(`"mode":"warm","count":1,"k":2`), []string{"k: lukewarm wants"}},
		"warm with stressor":    {step(`"mode":"warm","count":1,"data":2`), []string{"code, data:"}},
		"stressor of nothing":   {step(`"mode":"stressor","count":1`), []string{"code, data:"}},
		"idle without a pause":  {step(`"mode":"idle","count":1`), []string{"pause:"}},
		"null of a function":    {step(`"mode":"null","count":1`), []string{`a null step calls "null" only`}},
		"a path for a name":     {strings.Replace(whole, "aes-go", "../aes", 1), []string{`function: "../aes" is no name`}},
		"mistakes of two steps": {strings.NewReplacer(`"k":4`, `"k":0`, `"pause":"2ms"`, `"pause":"0s"`).Replace(whole), []string{"steps[2]: k:", "steps[4]: pause:"}},
		"too long":              {whole + strings.Repeat(" ", job.MaxBytes), []string{"longer than"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := job.Parse([]byte(c.text))
			for _, want := range c.errs {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"format":1,"id":"x","seed":0,"then":"checkpoint","steps":[{"mode":"null","count":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := job.Parse(text)
		if err != nil {
			return
		}
		again, err := job.Marshal(j)
		require.NoError(t, err)
		back, err := job.Parse(again)
		require.NoError(t, err)
		require.Equal(t, j, back)
	})
}
