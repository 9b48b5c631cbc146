package functions_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"microcosm/functions"
)

// profiles are the warm durations that In-Vitro ships for vSwarm's functions, in ms.
func profiles(t *testing.T) map[string]float64 {
	t.Helper()
	file, err := os.Open("../../shared/data/invitro/vswarm-profiles.json.gz")
	if err != nil {
		t.Skipf("skipped: In-Vitro's vSwarm profiles are not here: %v", err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	var all map[string]struct {
		Duration map[string]float64 `json:"duration"`
	}
	require.NoError(t, json.NewDecoder(unzipped).Decode(&all))
	medians := map[string]float64{}
	for name, p := range all {
		medians[name] = p.Duration["50-percentile"]
	}
	return medians
}

// busy is the processor time of a process and its threads so far.
func busy(t *testing.T, process *os.Process) time.Duration {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", process.Pid))
	require.NoError(t, err)
	require.NotEmpty(t, threads)
	var sum time.Duration
	for _, file := range threads {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var ns int64
		_, err = fmt.Sscan(string(text), &ns)
		require.NoError(t, err)
		sum += time.Duration(ns)
	}
	return sum
}

// warmMedian is the median processor time of warm calls, in ms, from as many as fit
// into a second but at most forty. Processor time is what other load on this
// machine changes least.
func warmMedian(t *testing.T, r running, f *functions.Function, class string) float64 {
	t.Helper()
	const warm, most = 20, 40
	var list []float64
	for i, spent := 0, time.Duration(0); i < most && (i < 3 || spent < time.Second); i++ {
		call, err := f.Call(class, 3, i)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		before := busy(t, r.process)
		_, err = r.client.Invoke(ctx, call)
		took := busy(t, r.process) - before
		cancel()
		require.NoError(t, err)
		spent += took
		list = append(list, took.Seconds()*1e3)
	}
	list = list[min(warm, len(list)/2):]
	slices.Sort(list)
	return list[len(list)/2]
}

// The amount of work is that of vSwarm's functions. The profiles are durations on
// another machine, called once a second behind a relay, so all of ours are shorter:
// the one factor between the two machines is divided out before functions are
// compared, and what a call costs beyond the processor is in none of ours.
func TestWorkIsInProportionToVSwarmsProfiles(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes half a minute")
	}
	known := profiles(t)
	catalog, root := load(t), install(t)
	// Other tests run beside this one: what a burst of theirs has bent is measured again.
	const rounds = 3
	for round := 1; ; round++ {
		points := proportions(t, catalog, root, known)
		require.Greater(t, len(points), 20)
		odd, rho := judge(t, points)
		if len(odd) == 0 && rho > .8 {
			return
		}
		require.Less(t, round, rounds, "beyond a factor of three: %v; rank correlation %.3f", odd, rho)
	}
}

// proportion is a class of inputs with the times of its warm calls, in milliseconds.
type proportion struct {
	name            string
	isDefault       bool
	ours, theirs, r float64 // r is the logarithm of their ratio
}

// proportions measures every class that has a profile.
func proportions(t *testing.T, catalog *functions.Catalog, root string, known map[string]float64) []proportion {
	t.Helper()
	var points []proportion
	for _, name := range catalog.Names() {
		f := lookup(t, name)
		if lack := missing(t, catalog, f, root); lack != "" {
			t.Logf("without %s: this machine lacks %s", name, lack)
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := start(t, catalog, f, root)
			for _, class := range f.Classes() {
				c, err := f.Class(class)
				require.NoError(t, err)
				if c.Profile == "" {
					continue
				}
				require.Contains(t, known, c.Profile)
				p := proportion{name + " " + class, class == functions.DefaultClass, warmMedian(t, r, f, class), known[c.Profile], 0}
				p.r = math.Log(p.ours / p.theirs)
				points = append(points, p)
			}
		})
	}
	return points
}

// judge returns the default classes that are more than a factor of three off what
// is common to all, and the rank correlation of all classes.
func judge(t *testing.T, points []proportion) (odd []string, rho float64) {
	t.Helper()
	var ours, theirs []float64
	common := 0.0
	for _, p := range points {
		common += p.r / float64(len(points))
		ours, theirs = append(ours, p.ours), append(theirs, p.theirs)
	}
	rho = stat.Correlation(ranks(ours), ranks(theirs), nil) // Spearman's
	t.Logf("%d classes, rank correlation %.3f, this machine takes %.2f of the profile", len(points), rho, math.Exp(common))
	for _, p := range points {
		factor := math.Exp(p.r - common)
		t.Logf("%-28s %9.3f ms, profile %9.3f ms, %.2f of what is common", p.name, p.ours, p.theirs, factor)
		if p.isDefault && (factor <= 1./3 || factor >= 3) {
			odd = append(odd, fmt.Sprintf("%s %.2f", p.name, factor))
		}
	}
	return odd, rho
}

// ranks replaces each value by its place, ties by the mean of theirs.
func ranks(values []float64) []float64 {
	list := make([]float64, len(values))
	for i, v := range values {
		for _, w := range values {
			switch {
			case w < v:
				list[i]++
			case w == v:
				list[i] += 0.5
			}
		}
	}
	return list
}
