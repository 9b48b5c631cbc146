package report_test

import (
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results/report"
)

func readCSV(t *testing.T, r *experiment.Result) (head []string, rows []map[string]string) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.CSV(&b, r))
	records, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	head = records[0]
	for _, record := range records[1:] {
		line := map[string]string{}
		for i, name := range head {
			line[name] = record[i]
		}
		rows = append(rows, line)
	}
	return head, rows
}

func find(rows []map[string]string, want map[string]string) []map[string]string {
	var found []map[string]string
next:
	for _, line := range rows {
		for name, value := range want {
			if line[name] != value {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

func TestCSVColumns(t *testing.T) {
	t.Parallel()
	head, rows := readCSV(t, quickstart())
	require.Equal(t, []string{"run", "factor_load_balancing", "factor_penalty",
		"scope", "name", "metric", "unit", "est", "lo", "hi", "n", "method", "status", "note"}, head)
	scopes := map[string]int{}
	for _, line := range rows {
		scopes[line["scope"]]++
	}
	run := quickstart().Runs[0]
	perRun := len(run.Functions)*(2+6) + len(run.Nodes)*(2+1) + len(run.Conditions)*(2+2)
	require.Equal(t, 4*(9+len(run.Metrics)), scopes["all"])
	require.Equal(t, 4*perRun, scopes["function"]+scopes["node"]+scopes["condition"])
	require.Len(t, quickstart().Effects, scopes["effect"])
}

func TestCSVValues(t *testing.T) {
	t.Parallel()
	r := overloaded()
	_, rows := readCSV(t, r)
	for name, test := range map[string]struct {
		where, want map[string]string
	}{
		"an estimate keeps every digit": {
			map[string]string{"run": "0.6", "scope": "all", "metric": "response_p99"},
			map[string]string{"factor_load": "0.6", "unit": "s", "n": "10", "status": "ok", "note": "", "method": metrics.MethodReplications,
				"est": exact(mustFind(t, &r.Runs[0], "response_p99").Est), "hi": exact(mustFind(t, &r.Runs[0], "response_p99").Hi)},
		},
		"a value without an interval": {
			map[string]string{"run": "0.6", "metric": "response_p99.9"},
			map[string]string{"est": exact(mustFind(t, &r.Runs[0], "response_p99.9").Est), "lo": "", "hi": "", "status": "not estimable",
				"note": "p99.9 needs 3688 effectively independent values, has 1101 (1200 values, autocorrelation time 1.09)"},
		},
		"an unstable run has no value": {
			map[string]string{"run": "1.2", "scope": "all", "metric": "response_mean"},
			map[string]string{"est": "", "lo": "", "hi": "", "status": "unstable", "note": "offered load 1.2 is not below 1"},
		},
		"a count has no interval": {
			map[string]string{"run": "1.2", "scope": "all", "metric": "arrived"},
			map[string]string{"est": "1.2e+06", "lo": "", "hi": "", "n": "1200000", "status": "count", "method": ""},
		},
		"the share of a condition": {
			map[string]string{"run": "0.6", "scope": "condition", "name": "warm", "metric": "share"},
			map[string]string{"est": exact(r.Runs[0].Conditions[1].Share.Est), "unit": ""},
		},
		"an effect has its contrast as run and no levels": {
			map[string]string{"scope": "effect"},
			map[string]string{"run": "[1.2] − [0.6]", "factor_load": "", "name": "Doubling the load", "metric": "response_mean", "status": "unstable"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := find(rows, test.where)
			require.Len(t, found, 1)
			for column, want := range test.want {
				require.Equal(t, want, found[0][column], column)
			}
		})
	}
}

func exact(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func mustFind(t *testing.T, run *experiment.Run, name string) metrics.Estimate {
	t.Helper()
	m, ok := run.Find(name)
	require.True(t, ok, name)
	return m.Estimate
}

func TestTidyHeadOfNamesThatCollide(t *testing.T) {
	t.Parallel()
	r := empty()
	for _, name := range []string{"run", "a b", "a,b", "a_b", "日本", ""} {
		r.Factors = append(r.Factors, experiment.Factor{Name: name})
	}
	head, _ := readCSV(t, r)
	require.Equal(t, []string{"run", "factor_run", "factor_a_b", "factor_a_b-3", "factor_a_b-4", "factor_日本", "factor_", "scope"}, head[:8])
	var b bytes.Buffer
	require.NoError(t, report.Parquet(&b, r), "an empty file is a file")
}

// TestParquetEqualsCSV reads both back and compares every cell.
func TestParquetEqualsCSV(t *testing.T) {
	t.Parallel()
	for name, make := range fixtures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := make()
			head, want := readCSV(t, r)
			var b bytes.Buffer
			require.NoError(t, report.Parquet(&b, r))
			file, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
			require.NoError(t, err)
			var columns []string
			for _, f := range file.Schema().Fields() {
				columns = append(columns, f.Name())
			}
			require.Equal(t, head, columns)
			require.EqualValues(t, len(want), file.NumRows())
			compareRows(t, file, head, want)
		})
	}
}

func compareRows(t *testing.T, file *parquet.File, head []string, want []map[string]string) {
	t.Helper()
	reader := parquet.NewReader(file)
	defer func() { require.NoError(t, reader.Close()) }()
	rows := make([]parquet.Row, 64)
	for i := 0; i < len(want); {
		n, err := reader.ReadRows(rows)
		if n == 0 {
			require.NoError(t, err)
		}
		for _, row := range rows[:n] {
			for j, name := range head {
				expected := want[i][name]
				switch v := row[j]; {
				case v.IsNull():
					require.Empty(t, expected, name)
				case v.Kind() == parquet.Double:
					require.Equal(t, expected, exact(v.Double()))
				case v.Kind() == parquet.Int64:
					require.Equal(t, expected, strconv.FormatInt(v.Int64(), 10))
				default:
					// encoding/csv reads "\r\n" as "\n"; Parquet has valid UTF-8 only.
					require.Equal(t, normal(expected), normal(v.String()), name)
				}
			}
			i++
		}
	}
}

func normal(s string) string {
	return string(bytes.ReplaceAll(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD")), []byte("\r\n"), []byte("\n")))
}

func TestParquetIsDeterministic(t *testing.T) {
	t.Parallel()
	var a, b bytes.Buffer
	require.NoError(t, report.Parquet(&a, quickstart()))
	require.NoError(t, report.Parquet(&b, quickstart()))
	require.Equal(t, a.Bytes(), b.Bytes())
}

// TestParquetInPandas runs the example of Parquet's documentation.
func TestParquetInPandas(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import pandas, pyarrow").Run() != nil {
		t.Skip("python3 with pandas and pyarrow is not installed: reading with pandas is not tested")
	}
	path := filepath.Join(t.TempDir(), "report.parquet")
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, report.Parquet(file, overloaded()))
	require.NoError(t, file.Close())
	const script = `
import sys, pandas
df = pandas.read_parquet(sys.argv[1])
p99 = df[(df.scope == "all") & (df.metric == "response_p99")]
assert list(p99.run) == ["0.6", "1.2"], p99
assert list(p99.status) == ["ok", "unstable"], p99
print(repr(float(p99.est.iloc[0])), p99.est.isna().iloc[1], df.n.dtype, df[df.scope == "effect"].factor_load.isna().all())
`
	out, err := exec.Command(python, "-c", script, path).CombinedOutput()
	require.NoError(t, err, string(out))
	want := mustFind(t, &overloaded().Runs[0], "response_p99").Est
	require.Equal(t, exact(want)+" True int64 True\n", string(out))
}

func TestNotFiniteIsNotEstimable(t *testing.T) {
	t.Parallel()
	r := single()
	r.Runs[0].Metrics = []experiment.Metric{{Name: "response_mean", Unit: "s", Estimate: metrics.Estimate{Est: 1, Lo: 0, Hi: math.Inf(1), N: 2, Method: "x", Status: metrics.StatusOK}}}
	_, rows := readCSV(t, r)
	line := find(rows, map[string]string{"scope": "all", "metric": "response_mean"})[0]
	require.Equal(t, "not estimable", line["status"])
	require.Equal(t, "the interval is not finite", line["note"])
	require.Empty(t, line["hi"])
}
