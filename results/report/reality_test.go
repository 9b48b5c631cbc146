package report_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
	"microcosm/cosim/reality"
	"microcosm/results/report"
)

func between(est, lo, hi float64) metrics.Estimate {
	return metrics.Estimate{Est: est, Lo: lo, Hi: hi, N: 10, Status: metrics.StatusOK, Method: metrics.MethodSectioning}
}

func checkedReality() *reality.Report {
	return &reality.Report{
		Platform: "host-abacus", Functions: []string{"aes-go", "auth-go"}, Input: "default", Rounds: 3, Duration: 2 * time.Second,
		Seed: 7, Confidence: .95, Samples: 1200, Notes: []string{"read\x1b[31m this"},
		Levels: []reality.Level{{
			Aimed: .3, Rate: 1000, Planned: 6000, Served: 6000, Recorded: 5400,
			Numbers: []reality.Number{
				{Name: "response_p50", Unit: "s", Measured: between(200e-6, 190e-6, 210e-6), Predicted: between(220e-6, 215e-6, 225e-6), Error: between(.1, .04, .16)},
				{Name: "response_p99", Unit: "s", Measured: between(1e-3, .9e-3, 1.1e-3), Predicted: metrics.NotEstimable(1.1e-3, 5, "", "too few"), Error: metrics.NotEstimable(.1, 5, "", "too few")},
			},
			Conditions: []reality.Condition{{Name: "warm", Share: .5, Number: reality.Number{
				Name: "service_mean", Unit: "s", Measured: between(150e-6, 145e-6, 155e-6), Predicted: between(140e-6, 139e-6, 141e-6), Error: between(-.067, -.1, -.03),
			}}},
			After:   reality.After{Idle: between(160e-6, 150e-6, 170e-6), Another: metrics.NotEstimable(140e-6, 5, "", "too few")},
			Late:    reality.Late{P50: 1e-6, P99: 40e-6},
			Machine: reality.Machine{Functions: .28, Others: .25, Elsewhere: .02, Steal: .001, Waited: .03, ClientWait: .01, LoadAverage: 2.5},
			Busy:    []string{"others used 25 % of the functions' core"},
		}},
	}
}

func TestRealityIsShown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, report.Reality(&out, checkedReality()))
	text := out.String()
	for _, line := range []string{
		"aes-go, auth-go (input default) on one core of host-abacus",
		"Aimed at 30 %: 6,000 calls planned at 1000/s, 6,000 served, 5,400 recorded",
		"response p50    200 µs [190, 210]      220 µs [215, 225]            +10 % [4, 16]",
		"1.10 ms not estimable (1)",
		"(1) not estimable: too few",
		"warm                 50 %    150 µs [145, 155]   140.0 µs [139.0, 141.0]   -6.7 % [-10.0, -3.0]",
		"found the core idle: 160 µs [150, 170]",
		"THE MACHINE WAS BUSY",
		"- others used 25 %",
		"load average 2.50",
	} {
		require.Contains(t, text, line)
	}
	require.NotContains(t, text, "\x1b", "what comes from outside cannot write to a terminal")
}

func TestAQuietMachineIsNotCalledBusy(t *testing.T) {
	t.Parallel()
	r := checkedReality()
	r.Levels[0].Busy = []string{}
	r.Levels[0].Unstable = "it grew"
	var out bytes.Buffer
	require.NoError(t, report.Reality(&out, r))
	require.NotContains(t, out.String(), "BUSY")
	require.Contains(t, out.String(), "The model has no steady state: it grew.")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRealityThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, report.Reality(full{}, checkedReality()), "disk full")
}
