package workflow_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/workflow"
)

func read(t testing.TB, file string) *workflow.Graph {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	g, err := workflow.ReadDAG(file, "g", text)
	require.NoError(t, err)
	return g
}

func TestNoserversFilesAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	g := read(t, "testdata/hybrid.json")
	require.Len(t, g.Steps, 5)
	require.Equal(t, workflow.Step{
		Name: "F1", Function: 0, Branch: workflow.Each, MemoryMiB: 170,
		Durations: []workflow.Weighted{{Value: time.Second, Probability: 1}}, Next: []workflow.Edge{workflow.Always(2), workflow.Always(3)},
	}, g.Steps[0])
	require.Equal(t, []workflow.Weighted{{Value: 1500 * time.Microsecond, Probability: .75}, {Value: 2 * time.Second, Probability: .25}}, g.Steps[4].Durations)
	require.Equal(t, 300, g.Steps[4].MemoryMiB, "the largest")
	width, depth := g.Extent()
	require.Equal(t, [2]int{2, 3}, [2]int{width, depth})
}

// TestAllOfNoserversFiles needs the data that is not part of the repository.
func TestAllOfNoserversFiles(t *testing.T) {
	t.Parallel()
	root := "../../../shared/data/noserver"
	files, err := filepath.Glob(filepath.Join(root, "dags", "*.json"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("skipped: noserver's files are not beside the repository")
	}
	steps := map[string]int{"test_s1024_m170_t1000.json": 1026, "test_parallel_s1024_m170_t1000.json": 1026, "test_hybrid_l8_w8_m170_t1000.json": 64}
	for _, file := range files {
		g := read(t, file)
		if want := steps[filepath.Base(file)]; want > 0 {
			require.Equal(t, want, len(g.Steps), file)
		}
	}
	f, err := os.Open(filepath.Join(root, "invocations", "hybrid_l1_w16_poisson_load10.csv"))
	require.NoError(t, err)
	defer f.Close()
	list, err := workflow.ReadInvocations("load10.csv", f)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Len(t, list[0].Times, 512)
	require.Equal(t, des.Time(3204*time.Millisecond), list[0].Times[1])
}

func TestOptionalFieldsOfAnEdge(t *testing.T) {
	t.Parallel()
	g, err := workflow.ReadDAG("d.json", "d", []byte(`{"Functions": {
		"a": {"Next": ["b", "c"], "NextProbs": [0.3, 0.7], "NextPayload": ["64KiB", "200B"], "Branch": "one", "DurationMilli": [1]},
		"b": {"DurationMilli": [1]}, "c": {"DurationMilli": [1, 3]}}}`))
	require.NoError(t, err)
	require.Equal(t, workflow.One, g.Steps[0].Branch)
	require.Equal(t, []workflow.Edge{{To: 1, Probability: .3, Payload: 65536}, {To: 2, Probability: .7, Payload: 200}}, g.Steps[0].Next)
	require.Equal(t, .5, g.Steps[2].Durations[1].Probability, "equal without DurationProbs")
	require.InDeltaSlice(t, []float64{1, .3, .7}, g.Expected(), 1e-12)
}

func TestEveryMistakeOfAFileIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/bad.json")
	require.NoError(t, err)
	_, err = workflow.ReadDAG("bad.json", "bad", text)
	require.Error(t, err)
	for _, want := range []string{
		`bad.json:2: field "Start" is not known`,
		`bad.json:4: there is no function "F9"`,
		`bad.json:5: 1024 lacks the unit of a payload: write 1024B, 1024KiB or 1024MB`,
		`bad.json:6: want "each" or "one"`,
		`bad.json:7: "-1": want a number from`,
		`bad.json:8: want 1 probabilities, one each, not 2`,
		`bad.json:9: field "MemoryMib" stands here twice`,
		`bad.json:11: F2: "DurationMilli" is missing`,
		`bad.json:12: function "F1" stands here twice`,
	} {
		require.ErrorContains(t, err, want)
	}
	for situation, c := range map[string][2]string{
		"a cycle": {"{\"Functions\": {\n\"a\": {\"Next\": [\"b\"], \"DurationMilli\": [1]},\n\"b\": {\"Next\": [\"c\"], \"DurationMilli\": [1]},\n\"c\": {\"Next\": [\"b\"], \"DurationMilli\": [1]}}}",
			"d.json:3: b: it is reached again from itself: b → c → b"},
		"a step that calls itself": {`{"Functions": {"a": {"Next": ["a"], "DurationMilli": [1]}}}`, "a → a"},
		"a start that is called":   {`{"StartAt": ["b"], "Functions": {"a": {"Next": ["b"], "DurationMilli": [1]}, "b": {"DurationMilli": [1]}}}`, "b is called by another"},
		"a start that is missing":  {`{"StartAt": ["x"], "Functions": {"a": {"DurationMilli": [1]}}}`, `there is no function "x"`},
		"no functions":             {`{"StartAt": []}`, `"Functions" is missing`},
		"functions in a list":      {`{"Functions": []}`, "wants an object"},
		"a function that is none":  {`{"Functions": {"a": 5}}`, "want an object"},
		"no durations":             {`{"Functions": {"a": {"DurationMilli": []}}}`, "want a duration at least"},
		"weights that fall short":  {`{"Functions": {"a": {"DurationMilli": [1, 2], "DurationProbs": [0.5, 0.4]}}}`, "add up to 0.9, not 1"},
		"the same edge twice":      {`{"Functions": {"a": {"Next": ["b", "b"], "DurationMilli": [1]}, "b": {"DurationMilli": [1]}}}`, "leads to b like one before it"},
		"cut short":                {"{\"Functions\": {\n\"a\":", "d.json:2: not JSON: unexpected EOF"},
		"two values":               {`{} {}`, "something follows the end"},
		"no JSON":                  {"hello", "d.json:1: not JSON"},
		"nested too deeply":        {strings.Repeat("[", 50), "nested too deeply"},
	} {
		_, err := workflow.ReadDAG("d.json", "d", []byte(c[0]))
		require.ErrorContains(t, err, c[1], situation)
	}
}

func TestInvocationFiles(t *testing.T) {
	t.Parallel()
	list, err := workflow.ReadInvocations("i.csv", strings.NewReader("timestamp,dag_name,num_invocations\n0,a,1\n5,b,2\n7.5,a,1\n"))
	require.NoError(t, err)
	require.Equal(t, []workflow.Invocations{
		{Name: "a", Times: []des.Time{0, 7_500_000}}, {Name: "b", Times: []des.Time{5_000_000, 5_000_000}},
	}, list)
	_, err = workflow.ReadInvocations("i.csv", strings.NewReader("timestamp,dag_name,num_invocations\n5,a,1\n-1,a,1\nx,a,1\n6,a,1,1\n4,a,1\n9,a,-1\n9,,1\n"))
	for _, want := range []string{"i.csv:3: want milliseconds", "i.csv:4: want milliseconds", "i.csv:5: wrong number of fields", "i.csv:6: 4ms is before", "i.csv:7:", "i.csv:8:"} {
		require.ErrorContains(t, err, want)
	}
	_, err = workflow.ReadInvocations("i.csv", strings.NewReader("time,name,n\n"))
	require.ErrorContains(t, err, "i.csv:1: want the header")
	_, err = workflow.ReadInvocations("i.csv", strings.NewReader("timestamp,dag_name,num_invocations\n\"5,a,1"))
	require.ErrorContains(t, err, "i.csv:")
}

func TestAmountsOfData(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0B": 0, "200B": 200, "64KiB": 65536, "1.5MB": 1_500_000, "2GiB": 2 << 30, "3kB": 3000} {
		got, err := workflow.ParseBytes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{"64": "lacks the unit", "-1B": "no amount of data", "1.5B": "no amount", "x": "no amount", "9999999999GiB": "no amount", "": "no amount"} {
		_, err := workflow.ParseBytes(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestGraphsThatAreWrong(t *testing.T) {
	t.Parallel()
	g := &workflow.Graph{Name: "g", Latency: -1, Steps: []workflow.Step{
		{Name: "a", Branch: workflow.One, Next: []workflow.Edge{{To: 1, Probability: .5}}},
		{Name: "a", Next: []workflow.Edge{{To: 7, Probability: 0, Payload: -1}}},
	}}
	err := g.Check()
	for _, want := range []string{
		"workflow g: latency and bandwidth", "step a: one of its edges is taken, but their probabilities add up to 0.5", `step 1 is called "a" too`,
		"step a, edge 1: it leads to no step", "the probability 0 is not above 0", "a payload of -1 bytes", "must be each or one",
	} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, (&workflow.Graph{Name: "g"}).Check(), "it has no steps")
	_, err = workflow.New([]workflow.Stream{{Graph: g, Arrivals: at()}}, clustertest.Streams(1), 0)
	require.ErrorContains(t, err, "leads to no step")
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		shape               workflow.Shape
		steps, width, depth int
	}{
		"a single step":    {workflow.Shape{Width: 1, Depth: 1}, 1, 1, 1},
		"a chain":          {workflow.Shape{Width: 1, Depth: 4}, 4, 1, 4},
		"a fork and join":  {workflow.Shape{Width: 3, Depth: 1, Fork: true, Join: true}, 5, 3, 3},
		"chains in a fork": {workflow.Shape{Width: 2, Depth: 3, Fork: true}, 7, 2, 4},
		"a join only":      {workflow.Shape{Width: 4, Depth: 2, Join: true}, 9, 4, 3},
	} {
		g, err := workflow.Generate("g", c.shape)
		require.NoError(t, err, situation)
		require.NoError(t, g.Check(), situation)
		width, depth := g.Extent()
		require.Equal(t, [3]int{c.steps, c.width, c.depth}, [3]int{len(g.Steps), width, depth}, situation)
	}
	for _, shape := range []workflow.Shape{{Width: 0, Depth: 1}, {Width: 1, Depth: -1}, {Width: 1000, Depth: 1000}} {
		_, err := workflow.Generate("g", shape)
		require.ErrorContains(t, err, "want both positive")
	}
	require.Equal(t, "each", workflow.Each.String())
	require.Equal(t, "invalid", workflow.Branch(9).String())
}

func FuzzReadDAG(f *testing.F) {
	for _, file := range []string{"hybrid.json", "bad.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := workflow.ReadDAG("f.json", "f", text)
		if err == nil {
			require.NoError(t, g.Check(), "what is read is sound")
		}
	})
}

func FuzzReadInvocations(f *testing.F) {
	f.Add("timestamp,dag_name,num_invocations\n0,a,1\n5,b,2\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := workflow.ReadInvocations("f.csv", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, i := range list {
			for n := 1; n < len(i.Times); n++ {
				require.LessOrEqual(t, i.Times[n-1], i.Times[n])
			}
		}
	})
}
