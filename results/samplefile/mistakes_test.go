package samplefile_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"microcosm/results/samplefile"
)

func TestEveryMistakeIsReportedWithItsLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		situation string
		data      string
		want      []string
	}{
		{"an empty file", "", []string{`f.csv:1: the first line must be "# microcosm samples 2"`}},
		{"another CSV file", "condition,service_ms\nwarm,1\n", []string{"f.csv:1: the first line"}},
		{"a newer format", "# microcosm samples 3\n", []string{"f.csv:1: format 3 comes from a newer version"}},
		{"a header and no table", elsewhere, []string{"f.csv:10: the row of column names is missing"}},
		{"an older format", "# microcosm samples 1\ncondition,service_ms\nwarm,1\n", []string{`f.csv:1: format 1 does not tell a whole file from a cut one: if this one is whole, write "# microcosm samples 2" here`}},
		{"an end and no table", elsewhere + "# end of 0 samples\n", []string{"f.csv:10: the row of column names is missing"}},
		{"no end", elsewhere + "condition,service_ms\nwarm,1\nwarm,2\n", []string{`f.csv:13: the last line must be "# end of N samples"`}},
		{"an end in other words", elsewhere + "condition,service_ms\nwarm,1\n# end of 01 samples\n", []string{"f.csv:13: the last line must be", "f.csv:13: 1 cells for 2 columns"}},
		{"rows missing", elsewhere + "condition,service_ms\nwarm,1\n# end of 2 samples\n", []string{"f.csv:13: 1 rows stand above, and this line says 2: the file was cut or edited"}},
		{"column names and no rows", ended("condition,service_ms\n"), []string{"f.csv:11: no samples follow"}},
		{
			"a header with many mistakes", "# microcosm samples 2\n# function fib\n# colour: red\n# function: a\n# function: b\n# n: 1\n# measured: yesterday\ncondition,service_ms\nwarm,1\n# end of 1 samples\n",
			[]string{
				`f.csv:2: "# function fib": want # NAME: VALUE`, `f.csv:3: unknown name "colour"`, "f.csv:5: function was given in line 4",
				"f.csv:6: n differs from sample to sample", `f.csv:7: measured: "yesterday"`,
				"f.csv:8: image is missing", "f.csv:8: input is missing", "f.csv:8: platform is missing", "f.csv:8: platform_digest is missing",
				"f.csv:8: stack is missing", "f.csv:8: host is missing", "f.csv:8: note is missing",
			},
		},
		{"no time", ended("condition,n\nwarm,1\n"), []string{"f.csv:11: a time is missing"}},
		{"no condition", ended("service_ms\n1\n"), []string{"f.csv:11: condition is missing: give it as a column"}},
		{"a time without a unit", ended("condition,service\nwarm,1\n"), []string{`f.csv:11: unknown column "service"`, "f.csv:11: a time is missing"}},
		{"a time in an unknown unit", ended("condition,service_min\nwarm,1\n"), []string{`unknown column "service_min"`, "f.csv:11: a time is missing"}},
		{"two times", ended("condition,service_ms,service_us\nwarm,1,1\n"), []string{`column "service_us": service is given already`}},
		{"service and round trip", ended("condition,service_ms,round_trip_ms\nwarm,1,1\n"), []string{"not both"}},
		{"a null call twice subtracted", ended("condition,service_ms,null_ms\nwarm,1,1\n"), []string{"has the null call subtracted already"}},
		{"a column that the header has", ended("condition,service_ms,function\nwarm,1,x\n"), []string{`f.csv:11: column "function": function is given already in line 2`}},
		{"a counter without a name", ended("condition,service_ms,counter:\nwarm,1,1\n"), []string{`unknown column "counter:"`}},
		{
			"rows with many mistakes", ended("condition,service_ms,n,seed,status,reason,cost_ns,counter:cycles\n" +
				"tepid,-1,-1,-1,good,,-1,x\n" +
				"warm,1,1\n" +
				"warm,1 ms,1.5,,valid,,0,1\n" +
				"warm,1,1,1,censored,,0,\n" +
				"warm,1,1,1,valid,none,0,\n" +
				"warm,0,1,1,valid,,0,\n" +
				"warm,1,5,1,valid,,0,\n" +
				"warm,2,5,1,valid,,0,\n" +
				"warm,NaN,6,1,valid,,0,\n" +
				"warm,0x10,6,1,valid,,0,\n" +
				"warm,1e300,6,1,valid,,0,\n" +
				"warm,1,6,1,valid,\"\"\"open\",0,\n"),
			[]string{
				`f.csv:12: condition: condition "tepid"`, "f.csv:12: service_ms:", "f.csv:12: n:", "f.csv:12: seed:", "f.csv:12: status:", "f.csv:12: cost_ns:", "f.csv:12: counter:cycles:",
				"f.csv:13: 3 cells for 8 columns", "f.csv:14: service_ms:", "f.csv:14: n:", "f.csv:14: seed:",
				"f.csv:15: sample 1 of thumbnailer/large warm on lambda-1769mb: a reason goes with censored", "f.csv:16: sample 1", "f.csv:17: sample 1 of thumbnailer/large warm on lambda-1769mb: a valid sample takes time",
				"f.csv:19: sample 5 of thumbnailer/large warm on lambda-1769mb stands in line 18 already",
				"f.csv:20: service_ms:", "f.csv:21: service_ms:", "f.csv:22: service_ms:", "f.csv:23: reason: text that begins with",
			},
		},
		{"an open quote", ended("condition,service_ms\nwarm,\"1\n"), []string{`f.csv:12: column 9: extraneous or missing " in quoted-field`}},
		{
			"no origin", strings.NewReplacer("# host: eu-central-1", "# host:", "# measured: 2026-11-22", "# measured:").Replace(ended("condition,service_ms\nwarm,1\n")),
			[]string{"f.csv:12: samples measured elsewhere must say where from"},
		},
	} {
		t.Run(c.situation, func(t *testing.T) {
			t.Parallel()
			samples, err := samplefile.ReadText("f.csv", []byte(c.data))
			require.Empty(t, samples)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.Len(t, strings.Split(err.Error(), "\n"), len(c.want), "one line for each mistake, and no more:\n%v", err)
		})
	}
}

func TestManyMistakesAreCounted(t *testing.T) {
	t.Parallel()
	_, err := samplefile.ReadText("f.csv", []byte(ended("condition,service_ms\n"+strings.Repeat("tepid,1\n", 1000))))
	require.ErrorContains(t, err, "f.csv: and 900 more mistakes")
	require.Len(t, strings.Split(err.Error(), "\n"), 101)
}

func TestFolder(t *testing.T) {
	t.Parallel()
	file := func(data string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(data)} }
	folder := fstest.MapFS{"a/one.csv": file(write(t, some(2))), "b.csv": file(write(t, some(4)[1:])), "README.md": file("# about")}
	got, err := samplefile.ReadFolder(folder, "x")
	require.NoError(t, err)
	require.Equal(t, some(4), got, "sample 1 stands in both files, and counts once")

	first, err := samplefile.FolderDigest(folder)
	require.NoError(t, err)
	delete(folder, "README.md")
	same, err := samplefile.FolderDigest(folder)
	require.NoError(t, err)
	require.Equal(t, first, same, "only files of samples count")
	folder["c.csv"] = folder["b.csv"]
	delete(folder, "b.csv")
	renamed, err := samplefile.FolderDigest(folder)
	require.NoError(t, err)
	require.NotEqual(t, first, renamed)
	none, err := samplefile.FolderDigest(fstest.MapFS{})
	require.NoError(t, err)
	require.Empty(t, none)

	other := some(2)
	other[1].Busy++
	folder["d.csv"] = file(write(t, other))
	folder["e.csv"] = file("nonsense")
	folder["f.parquet"] = file("nonsense")
	_, err = samplefile.ReadFolder(folder, "x")
	for _, want := range []string{"x/d.csv: sample 1 of", "stands in x/a/one.csv with other content", "x/e.csv:1:", "x/f.parquet: not a sound Parquet file"} {
		require.ErrorContains(t, err, want)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	list := some(3)
	odd := sample(0)
	odd.Key.Function, odd.Key.Platform = "../Ümläut fn", ".hidden/x"
	large := sample(0)
	large.Key.Input = "large"
	var names []string
	for _, f := range samplefile.Split(append(list, odd, large)) {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{
		"%2Ehidden%2Fx/%2E.%2F%C3%9Cml%C3%A4ut%20fn.default.csv", "host-test/fibonacci-go.default.csv", "host-test/fibonacci-go.large.csv",
	}, names)

	stacked := sample(0)
	stacked.Key.Stack = "sha256:other"
	files := samplefile.Split(append(some(3), stacked))
	require.Len(t, files, 2)
	for _, f := range files {
		require.Regexp(t, `^host-test/fibonacci-go\.default\.[0-9a-f]{8}\.csv$`, f.Name)
	}
}
