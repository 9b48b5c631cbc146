package metrics_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

func TestEstimateJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		estimate metrics.Estimate
		want     string
	}{
		"stands": {
			metrics.Estimate{Est: 2, Lo: 1.5, Hi: 2.5, N: 10, Method: metrics.MethodReplications, Status: metrics.StatusOK},
			`{"est":2,"lo":1.5,"hi":2.5,"n":10,"method":"t of replications"}`,
		},
		"value without interval": {
			metrics.NotEstimable(2, 1, metrics.MethodReplications, "needs at least 2 replications, has 1"),
			`{"est":2,"lo":null,"hi":null,"n":1,"method":"t of replications","status":"not estimable","note":"needs at least 2 replications, has 1"}`,
		},
		"unstable": {
			metrics.Unstable(7, metrics.MethodSectioning, "offered load 1.2"),
			`{"est":null,"lo":null,"hi":null,"n":7,"method":"sectioning","status":"unstable","note":"offered load 1.2"}`,
		},
		"an infinite bound never stands": {
			metrics.Estimate{Est: 2, Lo: 1.5, Hi: math.Inf(1), N: 10, Method: "x", Status: metrics.StatusOK},
			`{"est":2,"lo":1.5,"hi":null,"n":10,"method":"x","status":"not estimable","note":"the interval is not finite"}`,
		},
		"zero value": {metrics.Estimate{}, `{"est":0,"lo":0,"hi":0,"n":0,"method":"","status":"invalid"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(c.estimate)
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))

			var back metrics.Estimate
			require.NoError(t, json.Unmarshal(got, &back))
			again, err := json.Marshal(back)
			require.NoError(t, err)
			require.Equal(t, string(got), string(again))
			require.False(t, back.OK() && math.IsNaN(back.Lo))
		})
	}
}

func TestEstimateJSONRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no bounds though it stands": `{"est":1,"lo":null,"hi":null,"n":1,"method":"x"}`,
		"unknown status":             `{"est":1,"lo":1,"hi":1,"n":1,"method":"x","status":"fine"}`,
		"wrong type":                 `{"est":"1"}`,
	} {
		var e metrics.Estimate
		require.ErrorContains(t, json.Unmarshal([]byte(text), &e), "estimate: ", name)
	}
}

func FuzzEstimateJSON(f *testing.F) {
	f.Add([]byte(`{"est":2,"lo":1.5,"hi":2.5,"n":10,"method":"t of replications"}`))
	f.Add([]byte(`{"est":null,"lo":null,"hi":null,"n":1,"method":"x","status":"unstable","note":"y"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e metrics.Estimate
		if json.Unmarshal(data, &e) != nil {
			return
		}
		if e.OK() {
			require.False(t, math.IsNaN(e.Est+e.Lo+e.Hi))
		}
		first, err := json.Marshal(e)
		require.NoError(t, err)
		var back metrics.Estimate
		require.NoError(t, json.Unmarshal(first, &back))
		second, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	})
}

func TestStatusWords(t *testing.T) {
	t.Parallel()
	for _, s := range []metrics.Status{metrics.StatusOK, metrics.StatusNotEstimable, metrics.StatusUnstable, metrics.StatusBounds} {
		got, err := metrics.ParseStatus(s.String())
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	_, err := metrics.ParseStatus("invalid")
	require.ErrorContains(t, err, "want ok, not estimable, unstable or bounds")
	require.Equal(t, "invalid", metrics.Status(200).String())
}

func TestEstimateWidths(t *testing.T) {
	t.Parallel()
	e := metrics.Estimate{Est: -2, Lo: -3, Hi: -1, Status: metrics.StatusOK}
	require.Equal(t, 1.0, e.HalfWidth())
	require.Equal(t, .5, e.Relative())
	require.True(t, e.Covers(-3))
	require.False(t, e.Covers(0))
	require.Equal(t, "-2 [-3, -1]", e.String())
	require.Equal(t, -6.0, e.Scale(3).Est)
	require.Equal(t, 3.0, e.Scale(3).HalfWidth())

	exact := metrics.Estimate{Status: metrics.StatusOK}
	require.Zero(t, exact.Relative(), "a difference of exactly 0")
	around := metrics.Estimate{Lo: -1, Hi: 1, Status: metrics.StatusOK}
	require.True(t, math.IsInf(around.Relative(), 1))

	none := metrics.NotEstimable(1, 3, "x", "too few")
	require.True(t, math.IsNaN(none.HalfWidth()))
	require.True(t, math.IsNaN(none.Relative()))
	require.False(t, none.Covers(1))
	require.Equal(t, "not estimable: too few", none.String())
	require.Equal(t, "invalid", metrics.Estimate{}.String())
}

func TestScalingTimesChangesTheUnitOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(1e-9, 1e3), 2, 30).Draw(t, "values") // squares neither vanish nor overflow
		scaled := make([]float64, len(values))
		for i, v := range values {
			scaled[i] = 1000 * v
		}
		a, b := metrics.MeanOf(values, .95).Scale(1000), metrics.MeanOf(scaled, .95)
		require.InDelta(t, a.Est, b.Est, 1e-9*math.Abs(a.Est))
		require.InDelta(t, a.HalfWidth(), b.HalfWidth(), 1e-9*(math.Abs(a.Est)+a.HalfWidth()))
	})
}
