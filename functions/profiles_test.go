package functions_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
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

// Called as In-Vitro called vSwarm's functions for its profiles, once a second, each
// takes as long as its profile says, within a factor of three: a processor that has
// slept and done other things in between is most of what such a call takes.
func TestCallsTakeAsLongAsVSwarmsProfiles(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes half a minute")
	}
	known := profiles(t)
	catalog, root := load(t), install(t)
	inSomeRound(t, func() (wrong string) {
		medians := pacedMedians(t, catalog, root)
		require.Greater(t, len(medians), 12)
		var odd []string
		for name, ours := range medians {
			c, err := lookup(t, name).Class(functions.DefaultClass)
			require.NoError(t, err)
			require.Contains(t, known, c.Profile)
			factor := ours / known[c.Profile]
			t.Logf("%-24s %6.3f ms, profile %6.3f ms, factor %.2f", name, ours, known[c.Profile], factor)
			if factor <= 1./3 || factor >= 3 {
				odd = append(odd, fmt.Sprintf("%s %.2f", name, factor))
			}
		}
		if len(odd) > 0 {
			wrong = fmt.Sprintf("beyond a factor of three: %v", odd)
		}
		return wrong
	})
}

// inSomeRound judges again what is wrong, since other tests run beside this one, but
// not more than three times.
func inSomeRound(t *testing.T, judge func() (wrong string)) {
	t.Helper()
	const rounds = 3
	for round := 1; ; round++ {
		wrong := judge()
		if wrong == "" {
			return
		}
		require.Less(t, round, rounds, wrong)
	}
}

// pacedMedians returns the median round trips in ms of warm calls of every function with
// a profile that this machine can run. All are called at the same time.
func pacedMedians(t *testing.T, catalog *functions.Catalog, root string) map[string]float64 {
	t.Helper()
	medians := map[string]float64{}
	var lock sync.Mutex
	var all errgroup.Group
	for _, name := range catalog.Names() {
		f := lookup(t, name)
		c, err := f.Class(functions.DefaultClass)
		require.NoError(t, err)
		if c.Profile == "" {
			continue
		}
		if lack := missing(t, catalog, f, root); lack != "" {
			t.Logf("without %s: this machine lacks %s", name, lack)
			continue
		}
		r := start(t, catalog, f, root)
		all.Go(func() error {
			median, err := pacedMedian(t.Context(), r, f)
			lock.Lock()
			defer lock.Unlock()
			medians[name] = median
			return err
		})
	}
	require.NoError(t, all.Wait())
	return medians
}

// pacedMedian is the median round trip in ms of calls that follow one a second.
func pacedMedian(ctx context.Context, r running, f *functions.Function) (float64, error) {
	const warm, paced = 20, 15
	var list []float64
	for i := range warm + paced {
		if i >= warm {
			time.Sleep(time.Second)
		}
		call, err := f.Call(functions.DefaultClass, 3, i)
		if err != nil {
			return 0, err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		begin := time.Now()
		_, err = r.client.Invoke(ctx, call)
		took := time.Since(begin)
		cancel()
		if err != nil {
			return 0, err
		}
		list = append(list, took.Seconds()*1e3)
	}
	list = list[warm:]
	slices.Sort(list)
	return list[paced/2], nil
}

// The amount of work follows vSwarm's functions through all classes of inputs: the longer
// the profile, the more processor time ours take.
func TestWorkFollowsVSwarmsProfiles(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes half a minute")
	}
	known := profiles(t)
	catalog, root := load(t), install(t)
	inSomeRound(t, func() (wrong string) {
		points := proportions(t, catalog, root, known)
		require.Greater(t, len(points), 20)
		rho := rankCorrelation(t, points)
		if rho > .8 {
			return ""
		}
		return fmt.Sprintf("rank correlation %.3f", rho)
	})
}

// proportion is a class of inputs with the times of its warm calls, in milliseconds.
type proportion struct {
	name         string
	ours, theirs float64
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
				points = append(points, proportion{name + " " + class, warmMedian(t, r, f, class), known[c.Profile]})
			}
		})
	}
	return points
}

// rankCorrelation returns that of all classes.
func rankCorrelation(t *testing.T, points []proportion) (rho float64) {
	t.Helper()
	var ours, theirs []float64
	for _, p := range points {
		t.Logf("%-28s %9.3f ms of processor time, profile %9.3f ms", p.name, p.ours, p.theirs)
		ours, theirs = append(ours, p.ours), append(theirs, p.theirs)
	}
	rho = stat.Correlation(ranks(ours), ranks(theirs), nil) // Spearman's
	t.Logf("%d classes, rank correlation %.3f", len(points), rho)
	return rho
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
