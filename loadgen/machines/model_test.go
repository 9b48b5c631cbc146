package machines_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/loadgen/machines"
)

// disguise puts comments, blank lines, blanks and the line ends of other systems
// into a file, and returns the number of each of the old lines.
func disguise(t *rapid.T, lines []string) (text string, numbers []int) {
	end := rapid.SampledFrom([]string{"\n", "\r\n", " \t\n"}).Draw(t, "end")
	n := 0
	for _, line := range lines {
		for range rapid.IntRange(0, 2).Draw(t, "between") {
			text += rapid.SampledFrom([]string{"", "# 7,7", "   ", "#"}).Draw(t, "other") + end
			n++
		}
		n++
		numbers = append(numbers, n)
		text += rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "before") + line + end
	}
	if rapid.Bool().Draw(t, "no last end") {
		text = strings.TrimSuffix(text, end)
	}
	return text, numbers
}

// TestASchedulesStepsAreReadAsTheyStand whatever stands between them.
func TestASchedulesStepsAreReadAsTheyStand(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lines, want := []string{"seconds,cores"}, []machines.Step(nil)
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			ms, cores := rapid.Int64Range(1, 1e11).Draw(rt, "ms"), rapid.IntRange(0, 1024).Draw(rt, "cores")
			want = append(want, machines.Step{For: time.Duration(ms) * time.Millisecond, Cores: cores})
			lines = append(lines, fmt.Sprintf("%d.%03d, %d", ms/1000, ms%1000, cores))
		}
		text, _ := disguise(rt, lines)
		got, err := machines.ReadSchedule(write(t, text))
		require.NoError(rt, err)
		require.Len(rt, got, len(want))
		for i := range want {
			require.Equal(rt, want[i].Cores, got[i].Cores)
			require.InDelta(rt, want[i].For.Seconds(), got[i].For.Seconds(), 1e-7)
		}
	})
}

// TestEveryBadRowIsToldAtItsLine and no good one.
func TestEveryBadRowIsToldAtItsLine(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"0,1": "0 seconds: want more than 0 and at most 1e+08", "-3,1": "-3 seconds", "100000001,1": "1.00000001e+08 seconds", "1,-1": "-1 cores: want a whole number from 0 to 1024",
		"1,1025": "1025 cores", "1,.5": "0.5 cores", "1": `"1" is not two numbers with a comma between them`, "1,2,3": `"1,2,3" is not two numbers`, "one,1": `"one,1" is not`,
		"1;2": `"1;2" is not`, "NaN,1": `"NaN,1" is not`, "1,Inf": `"1,Inf" is not`, "1e999,1": `"1e999,1" is not two numbers`, ",": `"," is not`,
	}
	rapid.Check(t, func(rt *rapid.T) {
		lines := []string{"seconds,cores", "60,4"}
		for range rapid.IntRange(0, 15).Draw(rt, "rows") {
			lines = append(lines, rapid.SampledFrom(append(slices.Sorted(keys(bad)), "1,1", "2.5,1024", "100000000,0", "1e3, 7", "+5,+5")).Draw(rt, "row"))
		}
		text, numbers := disguise(rt, lines)
		path := write(t, text)
		_, err := machines.ReadSchedule(path)
		var want []string
		for i, line := range lines {
			if says, wrong := bad[line]; wrong {
				want = append(want, fmt.Sprintf("%s:%d: %s", path, numbers[i], says))
			}
		}
		if len(want) == 0 {
			require.NoError(rt, err)
			return
		}
		require.Error(rt, err)
		said := strings.Split(err.Error(), "\n")
		require.Len(rt, said, len(want))
		for i := range want {
			require.True(rt, strings.HasPrefix(said[i], want[i]), "%s\n%s", want[i], said[i])
		}
	})
}

func keys(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// The first twenty mistakes are told, and no line is too long to be one.
func TestMistakesAreToldUpToTwenty(t *testing.T) {
	t.Parallel()
	_, err := machines.ReadSchedule(write(t, "seconds,cores\n"+strings.Repeat("x\n", 1000)))
	require.Len(t, strings.Split(err.Error(), "\n"), 20)
	_, err = machines.ReadSchedule(write(t, "seconds,cores\n1,1\n"+strings.Repeat("1", 1<<17)+",1\n"))
	require.ErrorContains(t, err, ":3: bufio.Scanner: token too long")
}

// drawnSurvival draws the rows of a curve, which fall from 1, to 0 or not.
func drawnSurvival(t *rapid.T) (ages, survivals []float64) {
	age, alive := 0., 1.
	for range rapid.IntRange(1, 8).Draw(t, "points") {
		age += float64(rapid.IntRange(1, 5000).Draw(t, "gap"))
		alive *= rapid.SampledFrom([]float64{1, .99, .9, .5, .1}).Draw(t, "left")
		ages, survivals = append(ages, age), append(survivals, alive)
	}
	if survivals[len(survivals)-1] == 1 {
		survivals[len(survivals)-1] = .5
	}
	if rapid.IntRange(0, 3).Draw(t, "all die") == 0 {
		survivals[len(survivals)-1] = 0
	}
	return ages, survivals
}

// TestSurvivalGoesThroughItsPoints and falls between them; a quantile is the inverse,
// and the mean is the area below the curve.
func TestSurvivalGoesThroughItsPoints(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ages, survivals := drawnSurvival(rt)
		lines := []string{"seconds,survival"}
		for i := range ages {
			lines = append(lines, fmt.Sprintf("%v,%v", ages[i], survivals[i]))
		}
		text, _ := disguise(rt, lines)
		s, err := machines.ReadSurvival(write(t, text))
		require.NoError(rt, err)
		require.InDelta(rt, 1, s.At(0), 0)
		for i := range ages {
			require.InDelta(rt, survivals[i], s.At(time.Duration(ages[i]*1e9)), 1e-12)
		}
		last := ages[len(ages)-1]
		before := 1.
		for x := 0.; x < 2*last; x += last / 40 {
			at := s.At(time.Duration(x * 1e9))
			require.LessOrEqual(rt, at, before+1e-12, "nobody comes back to life")
			before = at
		}
		u := rapid.Float64Range(0, .999).Draw(rt, "luck")
		v := rapid.Float64Range(u, .999).Draw(rt, "better luck")
		require.LessOrEqual(rt, s.Quantile(u), s.Quantile(v))
		require.InDelta(rt, 1-u, s.At(s.Quantile(u)), 1e-6)
	})
}

func TestTheMeanLifeIsTheAreaBelowTheCurve(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"100,0.36787944117144233": 100,                                 // one hazard throughout: an exponential life
		"100,0":                   50,                                  // at an even rate
		"100,0.5\n200,0":          50/math.Ln2 + .5*50,                 // exponential until half are gone
		"100,1\n200,0.5":          100 + 50/math.Ln2 + .5*200/math.Ln2, // beyond the last point by the mean hazard until there
	} {
		s, err := machines.ReadSurvival(write(t, "seconds,survival\n"+text+"\n"))
		require.NoError(t, err)
		require.InEpsilon(t, want, s.Mean().Seconds(), 2e-3, text)
	}
}

// Lives are drawn within what virtual time holds, whatever the luck.
func TestLivesAreBounded(t *testing.T) {
	t.Parallel()
	s, err := machines.ReadSurvival(write(t, "seconds,survival\n100000000,0.999999\n"))
	require.NoError(t, err)
	for _, u := range []float64{0, .5, .999999, math.Nextafter(1, 0)} {
		require.LessOrEqual(t, s.Quantile(u), 1e8*time.Second)
		require.GreaterOrEqual(t, s.Quantile(u), time.Duration(0))
	}
}

func TestInVitrosFailureIsReadStrictly(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		``:                                "not In-Vitro's failure.json: EOF",
		`{"FailureEnabled": tru`:          "not In-Vitro's failure.json: unexpected EOF",
		`{"FailureEnabled": "yes"}`:       "cannot unmarshal string into Go struct field .FailureEnabled of type bool",
		`{"FailAt": "600"}`:               "FailAt of type float64",
		`[]`:                              "cannot unmarshal array",
		`{"FailureEnabled": true, "X":1}`: `unknown field "X"`,
		`{"FailureEnabled": true, "FailAt": 100000001, "FailComponent": "worker_node", "FailNode": "n-0"}`: "FailAt is 1.00000001e+08: want seconds from the start, from 0 to 1e+08",
		`{"FailureEnabled": true, "FailAt": 1, "FailComponent": "control_plane", "FailNode": "n-0"}`:       `FailComponent "control_plane" is not simulated: want worker_node`,
		`{"FailureEnabled": true, "FailAt": 1, "FailComponent": "worker_node"}`:                            "FailNode is empty: name the node that fails, such as node-0",
		`{"FailureEnabled": false} {"FailureEnabled": true}`:                                               "something follows the end",
	} {
		path := write(t, text)
		_, err := machines.ReadFailure(path)
		require.ErrorContains(t, err, path+": ", text)
		require.ErrorContains(t, err, says, text)
	}
	f, err := machines.ReadFailure(write(t, `{"FailureEnabled": true, "FailAt": 0.25, "FailComponent": "worker_node", "FailNode": "n-0"}`))
	require.NoError(t, err)
	require.Equal(t, machines.Failure{Node: "n-0", At: 250 * time.Millisecond}, f)
}
