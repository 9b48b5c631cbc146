package events_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/gem5/events"
)

// whole is a file with two work items and two beats.
const whole = `{"line":0,"event":"start","tick":1000,"format":1,"gem5":"24.0.0.1","isa":"x86_64","mode":"measure","period":333}
{"line":1,"event":"beat","tick":5000,"instructions":[10,20],"works":0}
{"line":2,"event":"work","tick":9000,"id":2,"n":0,"begin":6000,"end":9000,"cores":[{"cycles":3,"instructions":7},{"cycles":4,"instructions":8}],"shared":{"llc_misses":1}}
{"line":3,"event":"work","tick":19000,"id":1,"n":1,"begin":10000,"end":19000,"cores":[{"cycles":3,"instructions":7},{"cycles":4,"instructions":8}],"shared":{}}
{"line":4,"event":"beat","tick":20000,"instructions":[17,28],"works":2}
{"line":5,"event":"end","tick":20000,"cause":"exit","code":0,"works":2}
`

func read(text string) (events.Run, error) { return events.Read(strings.NewReader(text)) }

func TestReadWhole(t *testing.T) {
	t.Parallel()
	run, err := read(whole)
	require.NoError(t, err)
	require.Equal(t, "24.0.0.1", run.Start.Gem5)
	require.Len(t, run.Works, 2)
	require.Equal(t, servicetime.Ticks(9000), run.Works[1].Until-run.Works[1].Begin)
	require.Equal(t, int64(8), run.Works[0].Cores[events.FunctionCore][events.Instructions])
	require.Equal(t, int64(1), run.Works[0].Shared["llc_misses"])
	require.Equal(t, events.CauseExit, run.End.Cause)
	require.Nil(t, run.Overdue)
}

func TestReadCheckpoint(t *testing.T) {
	t.Parallel()
	run, err := read(`{"line":0,"event":"start","tick":0,"format":1,"gem5":"24","isa":"arm64","mode":"boot","period":500}
{"line":1,"event":"checkpoint","tick":7}
{"line":2,"event":"end","tick":7,"cause":"checkpoint","code":0,"works":0}
`)
	require.NoError(t, err)
	require.True(t, run.Checkpoint)
}

func TestReadSettled(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(
		`{"line":3,`, `{"line":3,"event":"settled","tick":9000,"works":1,"cause":"test"}`+"\n"+`{"line":4,`, `{"line":4,`, `{"line":5,`, `{"line":5,`, `{"line":6,`,
	).Replace(whole)
	run, err := read(text)
	require.NoError(t, err)
	require.Equal(t, 1, run.Settled.Works)
	require.Equal(t, events.SettledByTest, run.Settled.Cause)
	_, err = read(strings.Replace(text, `"works":1,"cause":"test"`, `"works":2,"cause":"test"`, 1))
	require.ErrorContains(t, err, "tells of 2 work items, 1 came")
}

func TestReadOverdue(t *testing.T) {
	t.Parallel()
	run, err := read(strings.Replace(strings.Replace(whole, `{"line":3,"event":"work"`, `{"line":3,"event":"overdue"`, 1), `"works":2`, `"works":1`, 2))
	require.NoError(t, err)
	require.Len(t, run.Works, 1)
	require.Equal(t, servicetime.Ticks(10000), run.Overdue.Begin)
}

func TestEveryPrefixIsTruncatedAndKeepsWhatCame(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	for n := range lines {
		run, err := read(strings.Join(lines[:n], ""))
		require.ErrorIs(t, err, events.ErrTruncated)
		require.Len(t, run.Works, max(0, min(2, n-2)))
	}
	for cut := 1; cut < len(whole)-1; cut += 7 {
		_, err := read(whole[:cut])
		require.Error(t, err, "cut at byte %d", cut)
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"NaN", `"cycles":4`, `"cycles":NaN`, "line 2"},
		{"a negative count", `"cycles":4`, `"cycles":-4`, "cycles of core 1 is -4"},
		{"a fraction", `"cycles":4`, `"cycles":4.5`, "line 2"},
		{"a dump doubled", `"n":1`, `"n":0`, "work item 0 came where 1 is due"},
		{"a dump lost", `"n":1`, `"n":2`, "work item 2 came where 1 is due"},
		{"a line lost", `{"line":1,`, `{"line":2,`, "line 2 came"},
		{"time backwards", `"beat","tick":5000`, `"beat","tick":500`, "time runs backwards"},
		{"an item ends before it begins", `"begin":6000,"end":9000`, `"begin":9000,"end":6000`, "lasts from tick 9000 to 6000"},
		{"items overlap", `"begin":10000`, `"begin":8000`, "the one before until 9000"},
		{"an item ends in the future", `"end":9000`, `"end":9001`, "told at 9000"},
		{"busier than time allows", `"cycles":4`, `"cycles":4000`, "busy for 4000 cycles in 3000 ticks"},
		{"one core only", `{"cycles":3,"instructions":7},`, ``, "it counts on 1 cores"},
		{"unknown kind", `"event":"beat"`, `"event":"bear"`, "unknown kind of event"},
		{"unknown field", `"id":2`, `"identity":2`, "unknown field"},
		{"two events in a line", `"works":0}`, `"works":0}{}`, "more than one event"},
		{"another format", `"format":1`, `"format":2`, "format 2: want 1"},
		{"no clock", `"period":333`, `"period":0`, "period of 0 ticks"},
		{"no version", `"gem5":"24.0.0.1",`, ``, "version"},
		{"negative instructions", `[17,28]`, `[17,-28]`, "committed -28"},
		{"the end miscounts", `"code":0,"works":2`, `"code":0,"works":3`, "tells of 3 work items, 2 came"},
		{"the end has no cause", `"cause":"exit"`, `"cause":""`, "names no cause"},
		{"starts twice", `{"line":1,"event":"beat"`, `{"line":1,"event":"start"`, "the first event, and no other"},
		{"does not start", `{"line":0,"event":"start"`, `{"line":0,"event":"beat"`, "the first event, and no other"},
		{"goes on after the end", `"works":2}` + "\n" + `{"line":5`, `"works":2}` + "\n" + `{"line":5,"event":"end","tick":20000,"cause":"exit","works":2}` + "\n" + `{"line":6`, "after the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, whole, c.old)
			_, err := read(strings.Replace(whole, c.old, c.new, 1))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// FuzzRead checks that damage is an error and never a wrong number.
func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(strings.Replace(whole, `"n":1`, `"n":0`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		run, err := events.Read(bytes.NewReader(text))
		for i, w := range run.Works {
			require.Equal(t, i, w.N)
			require.GreaterOrEqual(t, w.Until, w.Begin)
			for _, c := range w.Cores {
				for _, n := range c {
					require.GreaterOrEqual(t, n, int64(0))
				}
			}
		}
		if err == nil {
			require.Equal(t, events.End, run.Last.Kind)
			require.Equal(t, run.End.Works, len(run.Works))
		}
	})
}
