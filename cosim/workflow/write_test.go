package workflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
	"microcosm/cosim/workflow"
)

// written is a function as noserver writes it, and our fields beside.
type written struct {
	Next          []string  `json:"Next,omitempty"`
	NextProbs     []float64 `json:"NextProbs,omitempty"`
	NextPayload   []string  `json:"NextPayload,omitempty"`
	Branch        string    `json:"Branch,omitempty"`
	DurationMilli []float64 `json:"DurationMilli"`
	DurationProbs []float64 `json:"DurationProbs,omitempty"`
	MemoryMib     []int     `json:"MemoryMib,omitempty"`
}

// write writes a graph as a file that ReadDAG reads, one function a line.
func write(t require.TestingT, g *workflow.Graph) string {
	var lines []string
	var starts []string
	called := map[int]bool{}
	for _, s := range g.Steps {
		w := written{Branch: s.Branch.String()}
		for _, e := range s.Next {
			called[e.To] = true
			w.Next = append(w.Next, g.Steps[e.To].Name)
			w.NextProbs = append(w.NextProbs, e.Probability)
			w.NextPayload = append(w.NextPayload, fmt.Sprintf("%dB", e.Payload))
		}
		for _, d := range s.Durations {
			w.DurationMilli = append(w.DurationMilli, float64(d.Value)/1e6)
			w.DurationProbs = append(w.DurationProbs, d.Probability)
		}
		if s.MemoryMiB > 0 {
			w.MemoryMib = []int{1, s.MemoryMiB}
		}
		name, err := json.Marshal(s.Name)
		require.NoError(t, err)
		text, err := json.Marshal(w)
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%s: %s", name, text))
	}
	for i, s := range g.Steps {
		if !called[i] {
			name, err := json.Marshal(s.Name)
			require.NoError(t, err)
			starts = append(starts, string(name))
		}
	}
	return "{\"Comment\": \"drawn\", \"StartAt\": [" + strings.Join(starts, ", ") + "],\n\"Functions\": {\n" + strings.Join(lines, ",\n") + "}}\n"
}

// fileGraph draws a graph with everything that a file can say.
func fileGraph(t *rapid.T) *workflow.Graph {
	g, _ := fatedGraph(t)
	g.Latency, g.Bandwidth = 0, 0
	for i := range g.Steps {
		s := &g.Steps[i]
		s.Name += rapid.SampledFrom([]string{"", " ", "\"", "ä", "\\n", "a.b", "{"}).Draw(t, "odd")
		s.MemoryMiB = rapid.SampledFrom([]int{0, 1, 170, 4096}).Draw(t, "memory")
		n := rapid.IntRange(1, 3).Draw(t, "durations")
		for range n {
			s.Durations = append(s.Durations, workflow.Weighted{Value: time.Duration(rapid.IntRange(1, 1e6).Draw(t, "us")) * time.Microsecond, Probability: 1 / float64(n)})
		}
	}
	return g
}

// TestAGraphIsReadAsItWasWritten with any names, and with the lines of any system.
func TestAGraphIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := fileGraph(t)
		text := write(t, g)
		if rapid.Bool().Draw(t, "crlf") {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		got, err := workflow.ReadDAG("d.json", "g", []byte(text))
		require.NoError(t, err, text)
		require.Equal(t, g, got)
	})
}

// TestAFileThatWasCutIsRefused wherever it was cut, at a line that it has.
func TestAFileThatWasCutIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.TrimRight(write(t, fileGraph(t)), "\n")
		cut := text[:rapid.IntRange(0, len(text)-1).Draw(t, "cut")]
		_, err := workflow.ReadDAG("d.json", "g", []byte(cut))
		var wrong *workflow.FileMistake
		require.ErrorAs(t, err, &wrong)
		require.Contains(t, wrong.Problem, "not JSON")
		require.Equal(t, "d.json", wrong.File)
		require.LessOrEqual(t, wrong.Line, 1+strings.Count(cut, "\n"))
		require.GreaterOrEqual(t, wrong.Line, 1)
	})
}

// TestAMistakeIsToldAtItsLine: a function is spoiled in one way, and the line is its
// own, whatever stands above.
func TestAMistakeIsToldAtItsLine(t *testing.T) {
	t.Parallel()
	spoils := []struct{ old, with, says string }{
		{`"DurationMilli":[`, `"DurationMilli":[0,`, `"0": want a number from 1e-06 to 1e+12`},
		{`"DurationMilli":[`, `"DurationMilli":["5",`, `"5": want a number`},
		{`"DurationProbs":[`, `"DurationProbs":[0.5,0.25,0.125,0.125,`, "probabilities, one each, not"},
		{`"DurationMilli"`, `"Duration"`, `field "Duration" is not known`},
		{`"Branch":"`, `"Branch":"e`, `want "each" or "one"`},
		{`"Branch":"`, `"Next":["nobody"],"Branch":"`, `there is no function "nobody"`},
		{`"DurationMilli"`, `"MemoryMib":170,"DurationMilli"`, "want a list"},
		{`"DurationMilli"`, `"MemoryMib":[-1],"DurationMilli"`, `"-1": want a number from 0`},
		{`"DurationMilli"`, `"NextPayload":["1B"],"DurationMilli"`, "payloads, one per edge, not 1"},
	}
	rapid.Check(t, func(t *rapid.T) {
		g := fileGraph(t)
		for i := range g.Steps {
			g.Steps[i].Next, g.Steps[i].MemoryMiB, g.Steps[i].Branch = nil, 0, workflow.Each
		}
		lines := strings.Split(write(t, g), "\n")
		which := rapid.IntRange(0, len(g.Steps)-1).Draw(t, "which")
		spoil := rapid.SampledFrom(spoils).Draw(t, "spoil")
		before := lines[2+which]
		lines[2+which] = strings.Replace(before, spoil.old, spoil.with, 1)
		if strings.Contains(spoil.with, "NextPayload") {
			lines[2+which] = strings.Replace(lines[2+which], `"Branch"`, `"Next":[],"Branch"`, 1)
		}
		require.NotEqual(t, before, lines[2+which])
		_, err := workflow.ReadDAG("d.json", "g", []byte(strings.Join(lines, "\n")))
		require.ErrorContains(t, err, spoil.says)
		for _, one := range unjoin(err) {
			var wrong *workflow.FileMistake
			require.ErrorAs(t, one, &wrong)
			require.Equal(t, 3+which, wrong.Line, "%v", err)
		}
	})
}

func unjoin(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

// What StartAt names is where flows begin, no more and no less.
func TestStartAtIsWhereFlowsBegin(t *testing.T) {
	t.Parallel()
	for start, says := range map[string]string{
		`"StartAt": ["a", "c"],`:      "",
		`"StartAt": ["c", "a", "a"],`: "",
		``:                            "",
		`"StartAt": ["a"],`:           "d.json:4: StartAt lacks c, which no function calls: add it, or let one call it",
		`"StartAt": [],`:              "d.json:2: StartAt lacks a, which no function calls",
		`"StartAt": ["a", "b", "c"],`: "d.json:1: StartAt: b is called by another function",
		`"StartAt": ["a", "c", "d"],`: `d.json:1: StartAt: there is no function "d"`,
		`"StartAt": "a",`:             "d.json:1: want a list",
		`"StartAt": ["a", "c", 3],`:   `d.json:1: StartAt: there is no function "3"`,
	} {
		_, err := workflow.ReadDAG("d.json", "d", []byte(`{`+start+` "Functions": {
"a": {"Next": ["b"], "DurationMilli": [1]},
"b": {"DurationMilli": [1]},
"c": {"DurationMilli": [1]}}}`))
		if says == "" {
			require.NoError(t, err, start)
		} else {
			require.ErrorContains(t, err, says, start)
		}
	}
}

// TestInvocationsAreReadAsTheyWereWritten: every workflow has its own times, in
// order, whatever stands between them and however lines end.
func TestInvocationsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want, clock := map[string][]des.Time{}, 0.
		var order []string
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		text := "timestamp,dag_name,num_invocations" + end
		for range rapid.IntRange(0, 30).Draw(t, "rows") {
			name := rapid.SampledFrom([]string{"a", "b c", "ä", `"x,y"`}).Draw(t, "name")
			clock += float64(rapid.IntRange(0, 5000).Draw(t, "gap")) / 2
			n := rapid.IntRange(0, 4).Draw(t, "n")
			text += fmt.Sprintf("%v,%s,%d%s", clock, name, n, end)
			name = strings.Trim(name, `"`)
			if !slices.Contains(order, name) {
				order = append(order, name)
			}
			for range n {
				want[name] = append(want[name], des.Time(math.Round(clock*1e6)))
			}
		}
		list, err := workflow.ReadInvocations("i.csv", strings.NewReader(text))
		require.NoError(t, err, text)
		require.Len(t, list, len(order))
		for i, l := range list {
			require.Equal(t, order[i], l.Name)
			require.Equal(t, want[l.Name], l.Times)
			played, arrivals := 0, workflow.Arrivals{Times: l.Times}
			for a, ok := arrivals.Next(); ok; a, ok = arrivals.Next() {
				require.Equal(t, want[l.Name][played], a.At)
				played++
			}
			require.Equal(t, len(want[l.Name]), played)
		}
	})
}

func TestMistakesOfInvocationFiles(t *testing.T) {
	t.Parallel()
	const head = "timestamp,dag_name,num_invocations\n"
	for situation, c := range map[string][2]string{
		"empty":                     {"", "i.csv:1: want the header timestamp,dag_name,num_invocations"},
		"another order of columns":  {"dag_name,timestamp,num_invocations\n", "i.csv:1: want the header"},
		"no header":                 {"0,a,1\n", "i.csv:1: want the header"},
		"a time beyond all":         {head + "1e15,a,1\n", "i.csv:2: want milliseconds from 0"},
		"a time that is no number":  {head + "NaN,a,1\n", "i.csv:2: want milliseconds from 0"},
		"half an invocation":        {head + "0,a,0.5\n", "i.csv:2: want milliseconds"},
		"a million and one":         {head + "0,a,1000001\n", "i.csv:2: want milliseconds"},
		"behind blank lines":        {head + "\n\n0,a,1\n\nx,a,1\n", "i.csv:6: want milliseconds"},
		"behind a name of two":      {head + "0,\"a\nb\",1\nx,a,1\n", "i.csv:4: want milliseconds"},
		"a quote in a bare field":   {head + "0,a\"b,1\n", "i.csv:2: bare \" in non-quoted"},
		"a quote that is not shut":  {head + "0,\"a,1\n", "i.csv:"},
		"back in time by a tick":    {head + "5,a,1\n4.999999,a,1\n", "i.csv:3: 4.999999ms is before the line above"},
		"too few fields, then more": {head + "0,a\nx,a,1\n", "i.csv:3: want milliseconds"},
	} {
		_, err := workflow.ReadInvocations("i.csv", strings.NewReader(c[0]))
		require.ErrorContains(t, err, c[1], situation)
		for _, one := range unjoin(err) {
			var wrong *workflow.FileMistake
			require.ErrorAs(t, one, &wrong, situation)
		}
	}
	list, err := workflow.ReadInvocations("i.csv", strings.NewReader(head+"5,a,1\n4,b,1\n5,a,0\n4,b,1000000\n"))
	require.NoError(t, err, "each workflow has its own clock")
	require.Len(t, list[0].Times, 1)
	require.Len(t, list[1].Times, 1_000_001)
}

// A reader that fails says why, and is not taken for the end of the file.
func TestAFileThatCannotBeReadToItsEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	_, err := workflow.ReadInvocations("i.csv", &failing{strings.NewReader("timestamp,dag_name,num_invocations\n0,a,1\n"), broken})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "read i.csv")
}

// failing reads a text and then fails.
type failing struct {
	text *strings.Reader
	err  error
}

func (f *failing) Read(p []byte) (int, error) {
	if n, err := f.text.Read(p); err == nil {
		return n, nil
	}
	return 0, f.err
}

// An amount is read as it is written, in any unit.
func TestAmountsOfDataInEveryUnit(t *testing.T) {
	t.Parallel()
	units := map[string]int64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"B", "kB", "MB", "GB", "KiB", "MiB", "GiB"}).Draw(t, "unit")
		n := rapid.Int64Range(0, (1<<50)/units[unit]).Draw(t, "n")
		got, err := workflow.ParseBytes(fmt.Sprint(n, unit))
		require.NoError(t, err)
		require.Equal(t, n*units[unit], got)
		_, err = workflow.ParseBytes(fmt.Sprint(n))
		require.ErrorContains(t, err, fmt.Sprintf("%d lacks the unit of a payload: write %dB, %dKiB or %dMB", n, n, n, n))
		if n > 0 {
			_, err = workflow.ParseBytes(fmt.Sprint(-n, unit))
			require.ErrorContains(t, err, "is no amount of data")
		}
	})
	for _, text := range []string{"NaNB", "InfB", "-0.5B", "1125899906842625B", "B", "KiB", "1 MB", "1e400B", "1Mb", "1_0kB", "0x1p4B"} {
		_, err := workflow.ParseBytes(text)
		require.ErrorContains(t, err, "is no amount of data", text)
	}
}
