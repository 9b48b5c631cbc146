package experiment_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
)

// exceptional is an M/G/1 queue whose idle server forgets: an invocation takes
// X, and X·(1 + a(1 − e^(−I/τ))) where the core was idle for I before it.
//
// An invocation waits unless it finds the system empty, and a core that goes on
// without a pause has I = 0. So those who start a busy period take S0 =
// X·(1 + a(1 − e^(−I/τ))) with I exponential of rate λ (Poisson arrivals are
// memoryless) and independent of X, all others take X: Welch, "On a generalized
// M/G/1 queuing process in which the first customer of each busy period receives
// exceptional service", Operations Research 12 (1964) 736-752.
//
// With A and B the generating functions of the arrivals during X and S0, the
// number left behind by a departure has P(z) = π0·(z·B(z) − A(z)) / (z − A(z)),
// since P = π0·B + (P − π0)·A/z. With ρ = λE[X] and ρ0 = λE[S0], P(1) = 1 gives
//
//	π0 = (1 − ρ) / (1 − ρ + ρ0),
//
// the share of invocations that find the core idle (arrivals see what departures
// leave, one at a time), hence utilization 1 − π0; and P'(1) = λE[T] gives
//
//	E[T] = (2E[S0] + λ(E[S0²] − E[X²])) / 2(1 − ρ + ρ0) + λE[X²] / 2(1 − ρ).
//
// E[e^(−I/τ)] = λτ/(1 + λτ) and E[e^(−2I/τ)] = λτ/(2 + λτ) give the moments of S0.
type exceptional struct {
	lambda, a, tau float64
	law            string
	mean, second   float64 // of X
}

func (q exceptional) firstMoments() (mean, second float64) {
	once, twice := q.lambda*q.tau/(1+q.lambda*q.tau), q.lambda*q.tau/(2+q.lambda*q.tau)
	b := 1 + q.a
	return q.mean * (b - q.a*once), q.second * (b*b - 2*q.a*b*once + q.a*q.a*twice)
}

func (q exceptional) idleShare() float64 {
	first, _ := q.firstMoments()
	return (1 - q.lambda*q.mean) / (1 - q.lambda*q.mean + q.lambda*first)
}

func (q exceptional) response() float64 {
	first, firstSecond := q.firstMoments()
	rho, rho0 := q.lambda*q.mean, q.lambda*first
	return (2*first+q.lambda*(firstSecond-q.second))/(2*(1-rho+rho0)) + q.lambda*q.second/(2*(1-rho))
}

// independent is the mean response with the same marginal law of the service
// time but no memory: S0 with probability π0, else X (Pollaczek-Khinchine).
func (q exceptional) independent() float64 {
	first, firstSecond := q.firstMoments()
	p := q.idleShare()
	mean, second := p*first+(1-p)*q.mean, p*firstSecond+(1-p)*q.second
	return mean + q.lambda*second/(2*(1-q.lambda*mean))
}

func (q exceptional) scenario(duration, kind string) string {
	return fmt.Sprintf(`
cluster: {nodes: [{cores: 1}], keep-alive: unlimited, scaling: {kind: fixed, sandboxes: 1}}
workload:
  duration: %s
  functions:
    - name: f
      arrivals: {process: poisson, rate: %g/s}
      service: {%s, mean: 1s, relative-penalty: %g}
fidelity:
  replications: 20
  model: {%s, tau: %v}
`, duration, q.lambda, q.law, q.a, kind, time.Duration(q.tau*float64(time.Second)))
}

func TestWelchsExceptionalFirstService(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		queue    exceptional
		duration string
	}{
		{exceptional{lambda: .5, a: 1, tau: 2, law: "law: exponential", mean: 1, second: 2}, "60000s"},
		{exceptional{lambda: .4, a: 3, tau: .5, law: "law: exponential", mean: 1, second: 2}, "150000s"},
		{exceptional{lambda: .5, a: 2, tau: 1, law: "law: deterministic", mean: 1, second: 1}, "30000s"},
		{exceptional{lambda: .2, a: 4, tau: 10, law: "law: deterministic", mean: 1, second: 1}, "30000s"},
		{exceptional{lambda: .5, a: 1, tau: 1, law: "law: lognormal, cv: 1", mean: 1, second: 2}, "80000s"},
		{exceptional{lambda: .3, a: 5, tau: 3, law: "law: lognormal, cv: 0.5", mean: 1, second: 1.25}, "50000s"},
	} {
		q := c.queue
		t.Run(fmt.Sprintf("%s load %g a %g tau %g", q.law, q.lambda, q.a, q.tau), func(t *testing.T) {
			t.Parallel()
			require.Greater(t, math.Abs(q.response()/q.independent()-1), .02, "a loop that changes nothing proves nothing")
			for _, seed := range seeds {
				if testing.Short() && seed != seeds[0] {
					break
				}
				at := scenario.Setting{Path: "seed", Value: fmt.Sprint(seed)}
				coupled := simulate(t, q.scenario(c.duration, "kind: idle"), at).Runs[0]
				requireExact(t, seed, &coupled, "response_mean", q.response())
				requireExact(t, seed, &coupled, "no_wait_share", q.idleShare())
				requireExact(t, seed, &coupled, "utilization", 1-q.idleShare())
				if seed != seeds[0] {
					continue
				}
				cut := simulate(t, q.scenario(c.duration, "kind: none, of: idle"), at).Runs[0]
				requireExact(t, seed, &cut, "response_mean", q.independent())
				requireExact(t, seed, &cut, "utilization", 1-q.idleShare())
			}
		})
	}
}

// requireExact demands an interval of at most 2 % around an estimate that lies
// within three half-widths of the exact value.
func requireExact(t *testing.T, seed uint64, r *experiment.Run, metric string, exact float64) {
	t.Helper()
	m, ok := r.Find(metric)
	require.True(t, ok, metric)
	e := m.Estimate
	require.Equal(t, metrics.StatusOK, e.Status, "seed %d: %s %v", seed, metric, e)
	require.LessOrEqual(t, e.HalfWidth(), .02*exact, "seed %d: %s %v", seed, metric, e)
	require.LessOrEqual(t, math.Abs(e.Est-exact), 3*e.HalfWidth(), "seed %d: %s %v, exact %g", seed, metric, e, exact)
}

// On one first-come, first-served core the order of service is the order of
// arrival. Each invocation of function 1 therefore finds that function 2 ran in
// between with probability λ2/(λ1 + λ2), the chance that the last arrival of two
// Poisson streams was of the other, whatever the load.
func TestTwoStreamsPenaliseEachOtherByTheirRates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, second, load float64 }{
		{1, 1, .3}, {1, 1, .9}, {1, 3, .5}, {3, 1, .5}, {1, 9, .8}, {4, 1, .1},
	} {
		t.Run(fmt.Sprintf("rates %g to %g at load %g", c.first, c.second, c.load), func(t *testing.T) {
			t.Parallel()
			rate := c.load / (c.first + c.second)
			function := func(name string, share float64) string {
				return fmt.Sprintf("    - {name: %s, arrivals: {process: poisson, rate: %g/s}, service: {law: exponential, mean: 1s, relative-penalty: 0.05}}\n", name, share*rate)
			}
			text := "cluster: {nodes: [{cores: 1}], keep-alive: unlimited, concurrency: 1000000, scaling: {kind: fixed, sandboxes: 1}}\n" +
				fmt.Sprintf("workload:\n  duration: %gs\n  functions:\n", 40000*(c.first+c.second)/c.first/c.load) + function("one", c.first) + function("two", c.second) +
				"fidelity: {replications: 10, model: {kind: interleave, half-depth: 1}}\n"
			for _, seed := range seeds {
				if testing.Short() && seed != seeds[0] {
					break
				}
				run := simulate(t, text, scenario.Setting{Path: "seed", Value: fmt.Sprint(seed)}).Runs[0]
				for _, f := range run.Functions {
					exact := c.first / (c.first + c.second)
					if f.Name == "two" {
						exact = c.second / (c.first + c.second)
					}
					warm := f.Conditions[0]
					require.Equal(t, "warm", warm.Name)
					require.LessOrEqual(t, warm.Share.HalfWidth(), .02*max(exact, 1-exact), "seed %d: %v", seed, warm.Share)
					require.LessOrEqual(t, math.Abs(warm.Share.Est-exact), 3*warm.Share.HalfWidth(), "seed %d, %s: %v, exact %g", seed, f.Name, warm.Share, exact)
				}
			}
		})
	}
}
