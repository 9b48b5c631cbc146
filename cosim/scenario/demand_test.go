package scenario_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/scenario"
)

func demand(t *testing.T, s *scenario.Scenario) *scenario.Demand {
	t.Helper()
	d, err := s.Demand()
	require.NoError(t, err)
	return d
}

func TestDemandResolvesDefaultsAndOverrides(t *testing.T) {
	t.Parallel()
	s, err := scenario.Reader{Catalog: catalog(t)}.Parse("x.yaml", []byte(`
cluster:
  nodes: [{cores: 4}]
  keep-alive: 5m
  concurrency: 2
  queue-limit: 10
  scaling: {min: 1, max: 7}
workload:
  duration: 20m
  functions:
    - {name: web, function: aes-python, copies: 2, arrivals: {process: poisson, rate: 6/min}}
    - {name: auth-go, input: deny, memory: 1GiB, arrivals: {process: constant, rate: 2/s}}
    - name: batch
      arrivals: {process: burst, rate: 10/s, size: 5, offset: 1m}
      service: {law: erlang, mean: 1s, phases: 2, busy: 50%}
      concurrency: 1
      queue-limit: unlimited
      keep-alive: unlimited
      scaling: {kind: fixed, sandboxes: 3}
fidelity: {platform: skylake-x86}
`))
	require.NoError(t, err)
	d := demand(t, s)
	require.Equal(t, des.Time(20*time.Minute), d.Horizon)
	require.Equal(t, des.Time(2*time.Minute), d.WarmUp)
	require.False(t, d.Terminating)
	require.Len(t, d.Functions, 4)

	for i, name := range []string{"web-0", "web-1"} {
		f := d.Functions[i]
		require.Equal(t, name, f.Name)
		require.Equal(t, "aes-python", f.Measured)
		require.Equal(t, "default", f.Input)
		require.Equal(t, 2, f.Concurrency)
		require.Equal(t, 10, f.QueueLimit)
		require.Equal(t, 5*time.Minute, f.KeepAlive)
		require.Equal(t, 1, f.Scaling.Min)
		require.Positive(t, f.Memory, "the catalog's")
		require.InDelta(t, 120, f.ExpectedInvocations, 1e-9)
	}
	require.Equal(t, arrivals(d.Functions[0].Arrivals.Stream(9), 20), arrivals(d.Functions[0].Arrivals.Stream(9), 20), "a factory: one seed, one stream")
	require.NotEqual(t, arrivals(d.Functions[0].Arrivals.Stream(9), 20), arrivals(d.Functions[0].Arrivals.Stream(8), 20))
	require.NotEqual(t, arrivals(d.Functions[0].Arrivals.Stream(9), 20), arrivals(d.Functions[1].Arrivals.Stream(9), 20), "copies are independent")

	require.Equal(t, "auth-go", d.Functions[2].Measured, "its own name")
	require.Equal(t, "deny", d.Functions[2].Input)
	require.Equal(t, scenario.MiB(1024), d.Functions[2].Memory)

	batch := d.Functions[3]
	require.Empty(t, batch.Measured)
	require.Equal(t, "erlang", batch.Service.Law.Law)
	require.Equal(t, scenario.MiB(128), batch.Memory)
	require.Equal(t, 1, batch.Concurrency)
	require.Equal(t, cluster.Unlimited, batch.QueueLimit)
	require.Equal(t, time.Duration(cluster.Unlimited), batch.KeepAlive)
	require.Equal(t, scenario.Scaling{Kind: "fixed", Sandboxes: 3, Min: 3, Max: 3}, batch.Scaling)
	require.Equal(t, des.Time(time.Minute), arrivals(batch.Arrivals.Stream(1), 1)[0].At)
}

const tiny = `
cluster: {nodes: [{cores: 1}]}
workload:
  trace: {format: azure2021, path: testdata/tiny.csv}
`

func TestDemandOfATrace(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("tiny.yaml", []byte(tiny))
	require.NoError(t, err)
	d := demand(t, s)
	require.True(t, d.Terminating)
	require.Zero(t, d.WarmUp, "a trace is recorded from its start")
	require.Len(t, d.Functions, 2)
	total := 0
	for _, f := range d.Functions {
		require.True(t, f.Traced)
		require.Empty(t, f.Measured)
		require.Nil(t, f.Service)
		for _, a := range arrivals(f.Arrivals.Stream(1), 10) {
			require.Positive(t, a.Duration)
			require.Less(t, a.At, d.Horizon)
			total++
		}
	}
	require.Equal(t, 3, total)
}

func TestDemandOfATraceAndMore(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("tiny.yaml", []byte(tiny+`
  functions: [{name: background, arrivals: {process: constant, rate: 100/s}, service: {law: deterministic, mean: 1ms}}]
  warm-up: 1s
`))
	require.NoError(t, err)
	d := demand(t, s)
	require.Len(t, d.Functions, 3)
	require.Equal(t, des.Time(time.Second), d.WarmUp)
	last := arrivals(d.Functions[2].Arrivals.Stream(1), 1e6)
	require.Less(t, last[len(last)-1].At, d.Horizon, "the trace's horizon is everyone's")
}

func TestDemandShowsTheTracesMistakes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
		return text
	}
	write("header.csv", "app,function,end\na,b,1\n")
	write("row.csv", "app,func,end_timestamp,duration\na,f,1,soon\n")
	write("cut.csv.gz", "\x1f\x8b\x08\x00\x00\x00\x00\x00")
	for file, want := range map[string]string{"header.csv": "header.csv:1", "row.csv": "row.csv:2", "cut.csv.gz": "cut.csv.gz"} {
		text := []byte("cluster: {nodes: [{cores: 1}]}\nworkload: {trace: {format: azure2021, path: " + file + "}}\n")
		s, err := scenario.Parse(filepath.Join(folder, "x.yaml"), text)
		require.NoError(t, err)
		_, err = s.Demand()
		require.ErrorContains(t, err, want)
	}

	s, err := scenario.Parse("tiny.yaml", []byte(tiny+"  warm-up: 1h\n"))
	require.NoError(t, err)
	_, err = s.Demand()
	require.ErrorContains(t, err, "make it shorter")
}

func TestIdentityCountsTheTracesContent(t *testing.T) {
	t.Parallel()
	identify := func(folder, file, content string) string {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600))
		text := []byte("name: x\ncluster: {nodes: [{cores: 1}]}\nworkload: {trace: {format: azure2021, path: " + file + "}}\n")
		s, err := scenario.Parse(filepath.Join(folder, "x.yaml"), text)
		require.NoError(t, err)
		id, err := s.Identity()
		require.NoError(t, err)
		return id
	}
	const rows = "app,func,end_timestamp,duration\na,f,1,0.5\n"
	first := identify(t.TempDir(), "a.csv", rows)
	require.Equal(t, first, identify(t.TempDir(), "b.csv", rows), "neither folder nor name count")
	require.NotEqual(t, first, identify(t.TempDir(), "a.csv", rows+"a,f,2,0.5\n"))
}

func TestIdentityOfATraceInAFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"invocations.csv", "durations.csv", "memory.csv.gz", "notes.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(name), 0o600))
	}
	s, err := scenario.Parse(filepath.Join(folder, "x.yaml"), []byte("cluster: {nodes: [{cores: 1}]}\nworkload: {trace: {format: azure2019, path: .}}\n"))
	require.NoError(t, err)
	identify := func() string {
		id, err := s.Identity()
		require.NoError(t, err)
		return id
	}
	first := identify()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "notes.txt"), nil, 0o600))
	require.Equal(t, first, identify(), "no part of the trace")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "memory.csv.gz"), []byte("other"), 0o600))
	require.NotEqual(t, first, identify())

	files, err := s.Files()
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, "workload.trace.path", files[0].Key)
	require.Equal(t, folder, files[0].Path)

	require.NoError(t, os.RemoveAll(folder))
	_, err = s.Identity()
	require.ErrorContains(t, err, "workload.trace.path")
}
