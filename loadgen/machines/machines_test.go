package machines_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/loadgen/machines"
)

func write(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestTheHarvestSchedule(t *testing.T) {
	t.Parallel()
	steps, err := machines.ReadSchedule("testdata/harvest-cores.csv")
	require.NoError(t, err)
	require.Equal(t, machines.Step{For: 370 * time.Second, Cores: 22}, steps[0])
	total, area, least, most := time.Duration(0), 0., 1024, 0
	for _, s := range steps {
		total += s.For
		area += s.For.Seconds() * float64(s.Cores)
		least, most = min(least, s.Cores), max(most, s.Cores)
	}
	require.Equal(t, 434_913*time.Second, total)
	require.InDelta(t, 18.74, area/total.Seconds(), .005)
	require.Equal(t, []int{2, 40}, []int{least, most})
}

func TestSurvivalHasItsHazardBetweenThePoints(t *testing.T) {
	t.Parallel()
	s, err := machines.ReadSurvival(write(t, "# Kaplan-Meier\nseconds,survival\n0,1\n100,0.9\n300,0.3\n400,0.3\n1000,0.1\n"))
	require.NoError(t, err)
	for _, u := range []float64{0, .05, .1, .4, .69, .71, .89, .91, .999} {
		require.InDelta(t, 1-u, s.At(s.Quantile(u)), 1e-8, "u = %g", u)
	}
	// Given that it lives at age t, it dies in the next 10 s by the hazard there.
	for _, c := range []struct{ age, hazard float64 }{{0, math.Log(1/.9) / 100}, {150, math.Log(3) / 200}, {340, 0}, {500, math.Log(3) / 600}, {2000, math.Log(10) / 1000}} {
		at := func(x float64) float64 { return s.At(time.Duration(x * 1e9)) }
		require.InDelta(t, 1-math.Exp(-10*c.hazard), 1-at(c.age+10)/at(c.age), 1e-9, "age %g", c.age)
	}
	require.Equal(t, time.Duration(0), s.Quantile(0))
}

func TestSurvivalThatEnds(t *testing.T) {
	t.Parallel()
	s, err := machines.ReadSurvival(write(t, "seconds,survival\n100,0.5\n200,0\n"))
	require.NoError(t, err)
	require.Equal(t, 150*time.Second, s.Quantile(.75))
	require.InDelta(t, .25, s.At(150*time.Second), 1e-12)
	require.LessOrEqual(t, s.Quantile(1-1e-15), 200*time.Second)
	require.InDelta(t, (72.13+.5*50)+0, s.Mean().Seconds(), 30, "between the two halves' means")
}

func TestInVitrosFailure(t *testing.T) {
	t.Parallel()
	f, err := machines.ReadFailure("testdata/failure.json")
	require.NoError(t, err)
	require.Equal(t, machines.Failure{Node: "harvest-2", At: 10 * time.Minute}, f)
	f, err = machines.ReadFailure(write(t, `{"FailureEnabled": false, "FailAt": 600, "FailComponent": "control_plane", "FailNode": ""}`))
	require.NoError(t, err)
	require.Empty(t, f.Node)
}

func TestMistakesComeTogetherWithTheirLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		read func(string) error
		text string
		want []string
	}{
		{schedule, "seconds,cores\n1,2\n-1,2\n5,2.5\nx,1\n7\n1,9999\n", []string{":3: -1 seconds", ":4: 2.5 cores", `:5: "x,1" is not two numbers`, `:6: "7" is not`, ":7: 9999 cores"}},
		{schedule, "cores,seconds\n1,2\n", []string{`:1: the header is "cores,seconds", want "seconds,cores"`}},
		{schedule, "", []string{"the header"}},
		{schedule, "seconds,cores\n", []string{"the schedule is empty"}},
		{survival, "seconds,survival\n0,1\n5,1.5\n10,.5\n10,.4\n20,.6\n", []string{":3: a survival of 1.5", ":5: 10 seconds follow 10", ":6: a survival of 0.6 follows 0.5"}},
		{survival, "seconds,survival\n5,1\n", []string{"nobody ever dies"}},
		{failure, `{"FailureEnabled": true, "FailAt": -1, "FailComponent": "data_plane"}`, []string{`"data_plane" is not simulated`, "FailNode is empty", "FailAt is -1"}},
		{failure, `{"FailAfter": 1}`, []string{"not In-Vitro's failure.json"}},
	} {
		err := c.read(write(t, c.text))
		require.Error(t, err, c.text)
		for _, want := range c.want {
			require.ErrorContains(t, err, want)
		}
	}
	for _, read := range []func(string) error{schedule, survival, failure} {
		require.ErrorIs(t, read("testdata/nothing"), os.ErrNotExist)
	}
}

func schedule(path string) error {
	_, err := machines.ReadSchedule(path)
	return err
}

func survival(path string) error {
	_, err := machines.ReadSurvival(path)
	return err
}

func failure(path string) error {
	_, err := machines.ReadFailure(path)
	return err
}

func FuzzSchedule(f *testing.F) {
	f.Add("seconds,cores\n1,2\n3,4\n")
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := machines.ReadSchedule(write(t, text))
		if err != nil {
			return
		}
		require.NotEmpty(t, steps)
		for _, s := range steps {
			require.GreaterOrEqual(t, s.For, time.Duration(0))
		}
	})
}

func FuzzSurvival(f *testing.F) {
	f.Add("seconds,survival\n0,1\n10,0.5\n20,0\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := machines.ReadSurvival(write(t, text))
		if err != nil {
			return
		}
		last := time.Duration(0)
		for u := 0.; u < 1; u += .05 {
			require.GreaterOrEqual(t, s.Quantile(u), last)
			last = s.Quantile(u)
		}
	})
}
