package experiment_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
)

// seeds are those under which every exact result must be met.
var seeds = []uint64{1, 2, 3, 4, 5}

// simulate runs a scenario given as text.
func simulate(t *testing.T, text string, settings ...scenario.Setting) *experiment.Result {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	if len(settings) > 0 {
		s, err = s.Override(settings...)
		require.NoError(t, err)
	}
	r, err := experiment.Simulate(context.Background(), s, experiment.Options{})
	require.NoError(t, err)
	return r
}

// station is a pure queueing system: one function, no conditions.
func station(cores int, cluster, arrivals, service, duration string) string {
	return fmt.Sprintf(`
cluster:
  nodes: [{cores: %d}]
  keep-alive: unlimited
  %s
workload:
  duration: %s
  functions:
    - name: f
      arrivals: %s
      service: %s
fidelity: {replications: 20}
`, cores, cluster, duration, arrivals, service)
}

func fixed(n int) string { return fmt.Sprintf("scaling: {kind: fixed, sandboxes: %d}", n) }

// erlangC is the probability of waiting in M/M/k with offered load a: Kleinrock,
// Queueing Systems vol. 1, section 3.5.
func erlangC(k int, a float64) float64 {
	b := erlangB(k, a)
	return b / (1 - a/float64(k)*(1-b))
}

// erlangB is the probability of loss in M/M/k/k, by its recursion.
func erlangB(k int, a float64) float64 {
	b := 1.0
	for i := 1; i <= k; i++ {
		b = a * b / (float64(i) + a*b)
	}
	return b
}

// Service has mean 1 s throughout; rates are loads.
func TestQueueingTheory(t *testing.T) {
	t.Parallel()
	const rho = .6
	poisson := "{process: poisson, rate: 0.6/s}"
	exponential := "{law: exponential, mean: 1s}"
	type number struct {
		metric    string
		exact     float64
		halfWidth float64 // largest allowed, relative to exact
	}
	for _, c := range []struct {
		situation string
		text      string
		numbers   []number
	}{
		{"M/M/1, whose response is exponential", station(1, fixed(1), poisson, exponential, "85000s"), []number{
			{"response_mean", 1 / (1 - rho), .02}, {"response_p99", math.Log(100) / (1 - rho), .05}, {"waiting_mean", rho / (1 - rho), .02}, {"in_system", rho / (1 - rho), .02},
		}},
		{"M/M/4 by Erlang C, whose waiting has the tail C·exp(−(k−a)t)", station(4, fixed(4), "{process: poisson, rate: 3/s}", exponential, "65000s"), []number{
			{"waiting_mean", erlangC(4, 3) / (4 - 3), .02}, {"waiting_p99", math.Log(erlangC(4, 3)/.01) / (4 - 3), .05},
		}},
		{"M/M/4 of one sandbox with four slots", station(4, fixed(1)+"\n  concurrency: 4", "{process: poisson, rate: 3/s}", exponential, "65000s"), []number{{"waiting_mean", erlangC(4, 3) / (4 - 3), .02}}},
		{"M/G/1 log-normal by Pollaczek-Khinchine", station(1, fixed(1), poisson, "{law: lognormal, mean: 1s, cv: 1.5}", "550000s"), []number{{"waiting_mean", rho * (1 + 1.5*1.5) / (2 * (1 - rho)), .02}}},
		{"M/G/1 Erlang-3 by Pollaczek-Khinchine", station(1, fixed(1), poisson, "{law: erlang, mean: 1s, phases: 3}", "75000s"), []number{{"waiting_mean", rho * (1 + 1./3) / (2 * (1 - rho)), .02}}},
		{"M/H2/1 by Pollaczek-Khinchine", station(1, fixed(1), poisson, "{law: hyperexponential, mean: 1s, cv: 1.5}", "240000s"), []number{{"waiting_mean", rho * (1 + 1.5*1.5) / (2 * (1 - rho)), .02}}},
		{"M/D/1 mean waiting", station(1, fixed(1), poisson, "{law: deterministic, mean: 1s}", "55000s"), []number{{"waiting_mean", rho / (2 * (1 - rho)), .02}}},
		{"M/M/1-PS mean response", station(1, fixed(1)+"\n  concurrency: 1000000\n  discipline: processor-sharing", poisson, exponential, "40000s"), []number{{"response_mean", 1 / (1 - rho), .02}}},
		{"M/G/1-PS is insensitive", station(1, fixed(1)+"\n  concurrency: 1000000\n  discipline: processor-sharing", poisson, "{law: lognormal, mean: 1s, cv: 2}", "150000s"), []number{{"response_mean", 1 / (1 - rho), .02}}},
		{"Erlang B", station(4, fixed(4)+"\n  queue-limit: 0", "{process: poisson, rate: 3/s}", exponential, "8000s"), []number{{"rejected_share", erlangB(4, 3), .02}}},
		{"M/M/1/1+5 by the finite birth-death chain", station(1, fixed(1)+"\n  queue-limit: 5", poisson, exponential, "120000s"), []number{{"rejected_share", (1 - rho) * math.Pow(rho, 6) / (1 - math.Pow(rho, 7)), .04}}},
		{"a random split of a Poisson stream is two M/M/1", station(2, fixed(2)+"\n  load-balancing: random\n  binding: early\n  core-choice: pinned", "{process: poisson, rate: 1.2/s}", exponential, "20000s"), []number{{"response_mean", 1 / (1 - rho), .02}}},
		{"busy for a quarter of the service time", station(1, fixed(100), "{process: poisson, rate: 2/s}", "{law: exponential, mean: 1s, busy: 25%}", "3000s"), []number{{"utilization", .5, .02}}},
	} {
		t.Run(c.situation, func(t *testing.T) {
			t.Parallel()
			for _, seed := range seeds {
				if testing.Short() && seed != seeds[0] {
					break
				}
				r := simulate(t, c.text, scenario.Setting{Path: "seed", Value: fmt.Sprint(seed)})
				for _, n := range c.numbers {
					m, ok := r.Runs[0].Find(n.metric)
					require.True(t, ok)
					require.Equal(t, metrics.StatusOK, m.Estimate.Status, "seed %d: %s %v", seed, n.metric, m.Estimate)
					require.LessOrEqual(t, m.Estimate.HalfWidth(), n.halfWidth*n.exact, "seed %d: %s %v", seed, n.metric, m.Estimate)
					require.LessOrEqual(t, math.Abs(m.Estimate.Est-n.exact), 3*m.Estimate.HalfWidth(), "seed %d: %s %v, exact %g", seed, n.metric, m.Estimate, n.exact)
				}
			}
		})
	}
}

func TestLittlesLaw(t *testing.T) {
	t.Parallel()
	r := simulate(t, station(2, fixed(2), "{process: poisson, rate: 1.2/s}", "{law: lognormal, mean: 1s, cv: 1}", "100000s"))
	find := func(name string) float64 {
		m, ok := r.Runs[0].Find(name)
		require.True(t, ok)
		return m.Estimate.Est
	}
	require.InEpsilon(t, find("in_system"), find("throughput")*find("response_mean"), .005)
}

func TestAQueueWithoutASteadyStateIsReportedAsUnstable(t *testing.T) {
	t.Parallel()
	for situation, text := range map[string]string{
		"load above 1":                       station(1, fixed(1), "{process: poisson, rate: 1.2/s}", "{law: exponential, mean: 1s}", "20000s"),
		"load of exactly 1":                  station(1, fixed(1), "{process: poisson, rate: 1/s}", "{law: exponential, mean: 1s}", "20000s"),
		"cores suffice, sandboxes do not":    station(8, fixed(2), "{process: poisson, rate: 3/s}", "{law: exponential, mean: 1s}", "20000s"),
		"only the penalty makes it too much": station(1, fixed(1), "{process: poisson, rate: 0.4/s}", "{law: exponential, mean: 1s, relative-penalty: 2}\n    - name: g\n      arrivals: {process: poisson, rate: 0.4/s}\n      service: {law: exponential, mean: 1s, relative-penalty: 9}", "20000s"),
	} {
		r := simulate(t, text)
		require.NotEmpty(t, r.Runs[0].Unstable, situation)
		for _, m := range r.Runs[0].Metrics {
			require.Equal(t, metrics.StatusUnstable, m.Estimate.Status, "%s: %s", situation, m.Name)
		}
	}
	bounded := simulate(t, station(1, fixed(1)+"\n  queue-limit: 3", "{process: poisson, rate: 2/s}", "{law: exponential, mean: 1s}", "20000s"))
	require.Empty(t, bounded.Runs[0].Unstable, "who is rejected adds to no backlog")
}

func TestTooFewValuesForP99(t *testing.T) {
	t.Parallel()
	r := simulate(t, station(1, fixed(1), "{process: poisson, rate: 0.1/s}", "{law: exponential, mean: 1s}", "100s"))
	p99, _ := r.Runs[0].Find("response_p99")
	require.Equal(t, metrics.StatusNotEstimable, p99.Estimate.Status)
	require.Contains(t, p99.Estimate.Note, "368")
}
