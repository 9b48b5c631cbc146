package experiment_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
)

func TestASingleReplicationHasIntervalsFromItself(t *testing.T) {
	t.Parallel()
	text := station(1, fixed(1), "{process: poisson, rate: 0.5/s}", "{law: exponential, mean: 1s}", "400000s")
	r := simulate(t, text, scenario.Setting{Path: "fidelity.replications", Value: "1"}).Runs[0]
	for metric, want := range map[string]struct {
		exact  float64
		method string
	}{
		"response_mean": {2, metrics.MethodBatchMeans},
		"response_p50":  {2 * math.Log(2), metrics.MethodSectioning},
		"response_p99":  {2 * math.Log(100), metrics.MethodSectioning},
	} {
		e := metricOf(t, &r, metric).Estimate
		require.Equal(t, metrics.StatusOK, e.Status, "%s: %v", metric, e)
		require.Equal(t, want.method, e.Method, metric)
		require.LessOrEqual(t, math.Abs(e.Est-want.exact), 3*e.HalfWidth(), "%s: %v, exact %g", metric, e, want.exact)
		require.Less(t, e.Relative(), .1, metric)
	}
	short := simulate(t, text, scenario.Setting{Path: "fidelity.replications", Value: "1"}, scenario.Setting{Path: "workload.duration", Value: "200s"}).Runs[0]
	require.Equal(t, metrics.StatusNotEstimable, metricOf(t, &short, "response_p99").Estimate.Status)
	require.Equal(t, metrics.StatusNotEstimable, metricOf(t, &short, "response_mean").Estimate.Status)
}

// Nothing depends on the unit of time: the same queue a thousand times as fast
// has the same numbers a thousandth as large, and intervals as wide.
func TestScalingAllTimesChangesNothingButTheUnit(t *testing.T) {
	t.Parallel()
	slow := simulate(t, station(1, fixed(1), "{process: poisson, rate: 0.7/s}", "{law: exponential, mean: 1s}", "10000s")).Runs[0]
	fast := simulate(t, station(1, fixed(1), "{process: poisson, rate: 700/s}", "{law: exponential, mean: 1ms}", "10s")).Runs[0]
	for _, metric := range []string{"response_mean", "response_p50", "response_p95", "response_p99", "waiting_mean", "service_p99"} {
		a, b := metricOf(t, &slow, metric).Estimate, metricOf(t, &fast, metric).Estimate.Scale(1000)
		require.Equal(t, a.Status, b.Status, metric)
		require.Equal(t, a.Method, b.Method, metric)
		require.InEpsilon(t, a.Est, b.Est, metrics.QuantileError, metric)
		require.InDelta(t, a.HalfWidth(), b.HalfWidth(), 3*metrics.QuantileError*a.Est, metric)
	}
	for _, metric := range []string{"utilization", "in_system", "slowdown", "no_wait_share"} {
		require.InEpsilon(t, metricOf(t, &slow, metric).Estimate.Est, metricOf(t, &fast, metric).Estimate.Est, 1e-3, metric)
	}
}

// A trace ends by itself: one replication of it says nothing about another.
func TestATraceHasNoIntervalFromOneReplication(t *testing.T) {
	t.Parallel()
	text := `
cluster: {nodes: [{cores: 1}], keep-alive: unlimited}
workload:
  trace: {format: azure2021, path: ../scenario/testdata/tiny.csv}
fidelity: {replications: 1}
`
	r := simulate(t, text).Runs[0]
	require.True(t, r.Terminating)
	e := metricOf(t, &r, "response_mean").Estimate
	require.Equal(t, metrics.StatusNotEstimable, e.Status)
	require.Equal(t, metrics.MethodReplications, e.Method)
}
