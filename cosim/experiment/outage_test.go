package experiment_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/experiment"
)

// harvest is four hours on four Harvest VMs that follow a measured core schedule, each
// from elsewhere in it, and are lost now and then.
const harvest = `
seed: 3
cluster:
  nodes:
    - {name: harvest, count: 4, cores: 40, core-schedule: ../../loadgen/machines/testdata/harvest-cores.csv, stagger: 31h, lifetime: {law: exponential, mean: 1h}, notice: %s, repair: 10s}
  retry: {policy: exponential, attempts: %d}
  hedging: %s
  %s
workload:
  duration: 4h
  warm-up: 0s
  functions:
    - {name: short, arrivals: {process: poisson, rate: 2/s}, service: {law: lognormal, mean: 2s, cv: 2}}
    - {name: long, arrivals: {process: poisson, rate: 0.1/s}, service: {law: exponential, mean: 60s, busy: 50%%}}
fidelity: {replications: 1}
`

// Whatever happens to nodes and cores, every request is accounted for, cores are
// conserved at every step and busy exactly as long as they work: Simulate fails
// otherwise. What differs is who gets an answer.
func TestHarvestVMsLoseNoRequest(t *testing.T) {
	t.Parallel()
	account := func(notice string, attempts int, hedging, rest string) (cluster.Account, *experiment.Result) {
		r := simulate(t, fmt.Sprintf(harvest, notice, attempts, hedging, rest))
		require.NoError(t, r.Runs[0].Account.Balance())
		return r.Runs[0].Account, r
	}
	once, r := account("0s", 1, "none", "")
	require.Positive(t, once.Failed, "nobody retries")
	require.Zero(t, once.Retries)
	require.Contains(t, strings.Join(r.Notes, "\n"), "nodes went away")
	require.Contains(t, strings.Join(r.Notes, "\n"), "answered nothing")

	retried, _ := account("0s", 5, "none", "")
	require.Equal(t, once.Arrived, retried.Arrived, "the same luck")
	require.Zero(t, retried.Failed)
	require.Positive(t, retried.Retries)

	warned, _ := account("10m", 1, "none", "")
	require.Less(t, 10*warned.Failed, once.Failed, "ten minutes' notice saves nearly all")

	for _, rest := range []string{"discipline: processor-sharing", "core-choice: pinned\n  binding: early", "load-balancing: min-worker-set\n  placement: locality\n  keep-alive: hybrid-histogram"} {
		hedged, _ := account("30s", 3, "quantile", rest)
		require.Positive(t, hedged.Hedges, rest)
		require.Equal(t, once.Arrived, hedged.Arrived)
	}
}

// Behind Knative, too, with its own nodes or with Kubernetes', whatever cores are shared
// by: what is lost is tried again, and the same requests arrive.
func TestHarvestVMsUnderKnativeLoseNoRequest(t *testing.T) {
	t.Parallel()
	const kubernetes = "\n  orchestrator: kubernetes\n  kubernetes: {images: [{name: app, layers: [{name: code, size: 40MiB}]}], pod: {image: app}}"
	arrived := map[int64]bool{}
	for i, rest := range []string{"", "\n  discipline: cfs\n  resources: {cpu-request: 250m, cpu-limit: 1}", kubernetes, kubernetes + "\n  discipline: processor-sharing"} {
		notice := map[bool]string{true: "0s", false: "30s"}[i%2 == 0]
		r := simulate(t, fmt.Sprintf(harvest, notice, 5, "none", "controlplane: knative"+rest))
		account := r.Runs[0].Account
		require.NoError(t, account.Balance(), rest)
		require.Positive(t, account.Retries, rest)
		require.Zero(t, account.Failed, rest)
		require.Contains(t, strings.Join(r.Notes, "\n"), "nodes went away", rest)
		arrived[account.Arrived] = true
	}
	require.Len(t, arrived, 1, "the same luck")
}

// In-Vitro's failure.json names one node and when it fails.
func TestInVitrosFailure(t *testing.T) {
	t.Parallel()
	text := `
cluster:
  nodes: [{name: spot, count: 2, cores: 1}]
  scaling: {kind: fixed, sandboxes: 2}
  failure: ../scenario/testdata/failure.json
workload:
  duration: 1200s
  warm-up: 0s
  functions: [{name: f, arrivals: {process: constant, rate: 1/s}, service: {law: deterministic, mean: 800ms}}]
fidelity: {replications: 1}
`
	r := simulate(t, text)
	require.LessOrEqual(t, r.Runs[0].Account.Failed, int64(1), "at most what runs at 600 s")
	require.Contains(t, strings.Join(r.Notes, "\n"), "nodes went away 1 times")
	cores, ok := r.Runs[0].Find("utilization")
	require.True(t, ok)
	require.InDelta(t, .8/1.5, cores.Estimate.Est, .01, "two cores for half of the time, one for the other half")
}
