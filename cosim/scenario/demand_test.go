package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
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
		require.Equal(t, policy.FixedTime{For: 5 * time.Minute}, f.KeepAlive)
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
	require.Equal(t, policy.FixedTime{For: cluster.Unlimited}, batch.KeepAlive)
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

// TestMistakesOfATrace: what its headers lack is told with the scenario's own
// mistakes, what its rows lack when they are read.
func TestMistakesOfATrace(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write("header.csv", "app,function,end\na,b,1\n")
	write("empty.csv", "")
	write("pointer.csv", "version https://git-lfs.github.com/spec/v1\n")
	write("row.csv", "app,func,end_timestamp,duration\na,f,1,soon\n")
	write("cut.csv.gz", "\x1f\x8b\x08\x00\x00\x00\x00\x00")
	write("bad/invocations.csv", "HashOwner,HashApp,HashFunction,1,3\n")
	write("bad/durations.csv", "HashOwner,HashApp,HashFunction,Count\n")
	write("iat/iat1.json", "{}")
	parse := func(format, path string) (*scenario.Scenario, error) {
		text := "cluster: {nodes: [{cores: 0}]}\nworkload: {trace: {format: " + format + ", path: " + path + "}}\n"
		if path == "row.csv" {
			text = strings.Replace(text, "cores: 0", "cores: 1", 1)
		}
		return scenario.Parse(filepath.Join(folder, "x.yaml"), []byte(text))
	}
	for _, c := range []struct {
		format, path string
		says         []string
	}{
		{"azure2021", "header.csv", []string{"header.csv:1: the header has no columns func, end_timestamp, duration; it has app, function, end"}},
		{"azure2021", "empty.csv", []string{"empty.csv: is empty"}},
		{"azure2021", "pointer.csv", []string{"Git LFS pointer"}},
		{"azure2021", "cut.csv.gz", []string{"cut.csv.gz"}},
		{"azure2019", "bad", []string{"bad/invocations.csv:1: the header has no column 2", "bad/durations.csv:1: the header has no columns percentile_Average_0, ", "bad/memory.csv: no such file"}},
		{"iat", "iat", []string{"iat0.json should follow"}},
	} {
		_, err := parse(c.format, c.path)
		var mistakes *scenario.Mistakes
		require.ErrorAs(t, err, &mistakes, c.path)
		require.Len(t, mistakes.List, 1+len(c.says), "the scenario's own mistake too: %v", err)
		for _, says := range c.says {
			require.ErrorContains(t, err, says)
		}
	}
	s, err := parse("azure2021", "row.csv")
	require.NoError(t, err)
	_, err = s.Demand()
	require.ErrorContains(t, err, "row.csv:2")

	s, err = scenario.Parse("tiny.yaml", []byte(tiny+"  warm-up: 1h\n"))
	require.NoError(t, err)
	_, err = s.Demand()
	require.ErrorContains(t, err, "make it shorter")
}

// TestATraceIsReadOnceForAllVariants: a file that changes while they run cannot
// give them different arrivals.
func TestATraceIsReadOnceForAllVariants(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "trace.csv")
	require.NoError(t, os.WriteFile(file, []byte("app,func,end_timestamp,duration\na,f,1,0.5\na,f,2,0.5\n"), 0o600))
	s, err := scenario.Parse(filepath.Join(folder, "x.yaml"), []byte(`
cluster: {nodes: [{cores: 1}]}
workload: {trace: {format: azure2021, path: trace.csv}}
factors:
  - {name: cores, set: "cluster.nodes[0].cores", levels: [1, 2]}
  - {name: part, set: workload.trace.duration, levels: [1500ms, 3s]}
`))
	require.NoError(t, err)
	variants, err := s.Variants()
	require.NoError(t, err)
	require.Len(t, variants, 4)
	calls := func(v scenario.Variant) int {
		return len(arrivals(demand(t, v.Scenario).Functions[0].Arrivals.Stream(1), 1e6))
	}
	require.Equal(t, []int{1, 2}, []int{calls(variants[0]), calls(variants[1])})
	require.NoError(t, os.WriteFile(file, []byte("app,func,end_timestamp,duration\na,f,1,0.5\n"), 0o600))
	require.Equal(t, []int{1, 2}, []int{calls(variants[2]), calls(variants[3])})
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
	for name, text := range map[string]string{
		"invocations.csv": "HashOwner,HashApp,HashFunction,1\n",
		"durations.csv": "HashOwner,HashApp,HashFunction,Count,percentile_Average_0,percentile_Average_1,percentile_Average_25," +
			"percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n",
		"memory.csv.gz": "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,AverageAllocatedMb_pct25," +
			"AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n",
		"notes.txt": "notes",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
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

// mapped writes a trace of two functions in a folder, with what maps them, and
// returns its demand.
func mapped(t *testing.T, mapping string, files map[string]string) (*scenario.Demand, error) {
	t.Helper()
	folder := t.TempDir()
	files["invocations.csv"] = "HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,http,3,0\no,a,g,http,0,1\n"
	files["durations.csv"] = "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n" +
		"o,a,f,20,3,20,20,20,20,20,20,20,20,20\no,a,g,9000,1,9000,9000,9000,9000,9000,9000,9000,9000,9000\n"
	files["memory.csv"] = "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n" +
		"o,a,f,3,40,40,40,40,40,40,40,40,40\no,a,g,1,300,300,300,300,300,300,300,300,300\n"
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	s, err := scenario.Reader{Catalog: catalog(t)}.Parse(filepath.Join(folder, "x.yaml"), []byte(`
cluster: {nodes: [{cores: 1}]}
workload:
  trace: {format: azure2019, path: .}
  map: `+mapping+`
fidelity: {platform: skylake-x86}
`))
	require.NoError(t, err)
	return s.Demand()
}

func TestDemandMapsByTheMappersFile(t *testing.T) {
	t.Parallel()
	d, err := mapped(t, "{mapper: m.json}", map[string]string{
		"m.json": `{"foa": {"proxy-function": "aes-go-100-101"}, "g": {"proxy-function": "no-such-go-5"}, "h": {"proxy-function": "auth-go"}}`,
	})
	require.NoError(t, err)
	require.Equal(t, "aes-go", d.Functions[0].Measured)
	require.Equal(t, "small", d.Functions[0].Input, "the class whose inputs are like that profile's")
	require.True(t, d.Functions[0].Traced)
	require.Equal(t, scenario.MiB(40), d.Functions[0].Memory, "the trace's")
	require.Empty(t, d.Functions[1].Measured)
	require.Contains(t, d.Functions[1].Unmapped, "no-such-go-5")
	require.InDelta(t, .25, d.UnmappedShare, 1e-12, "one invocation of four")
	require.Len(t, d.Warnings, 1, "the entry h")
}

func TestDemandFallsBackToTheDefaultInput(t *testing.T) {
	t.Parallel()
	d, err := mapped(t, "{mapper: m.json}", map[string]string{
		"m.json": `{"f": {"proxy-function": "fibonacci-python-777-778"}, "g": {"proxy-function": "auth-go"}}`,
	})
	require.NoError(t, err)
	require.Equal(t, "fibonacci-python", d.Functions[0].Measured)
	require.Equal(t, "default", d.Functions[0].Input)
	require.Equal(t, "auth-go", d.Functions[1].Measured)
	require.Zero(t, d.UnmappedShare)
	require.Len(t, d.Warnings, 1)
	require.Contains(t, d.Warnings[0], "maps 1 of")
}

func TestDemandMapsByTheNearestProfile(t *testing.T) {
	t.Parallel()
	profile := func(millis, memory string) string {
		return `{"duration": {"50-percentile": ` + millis + `}, "memory": {"50-percentile": ` + memory + `}}`
	}
	files := map[string]string{
		"p.json": `{"aes-go-10-10": ` + profile("15", "40") + `, "aes-go-555-556": ` + profile("20", "40") + `}`,
		"q.json": `{"auth-go": ` + profile("700", "23") + `}`,
	}
	d, err := mapped(t, "{profiles: [p.json, q.json]}", files)
	require.NoError(t, err)
	require.Equal(t, "aes-go", d.Functions[0].Measured)
	require.Equal(t, "default", d.Functions[0].Input, "of a profile that can be measured, though another is nearer")
	require.Contains(t, d.Functions[1].Unmapped, "more than 40 %")

	d, err = mapped(t, "{profiles: p.json, error-cap: 10%}", files)
	require.NoError(t, err)
	require.InDelta(t, 1, d.UnmappedShare, 0)
}

func TestDemandShowsTheMappingsMistakes(t *testing.T) {
	t.Parallel()
	_, err := mapped(t, "{mapper: m.json}", map[string]string{"m.json": "{\n\"f\": 3}"})
	require.ErrorContains(t, err, "m.json:2")
	_, err = mapped(t, "{profiles: m.json}", map[string]string{"m.json": "{}"})
	require.ErrorContains(t, err, "m.json")
}
